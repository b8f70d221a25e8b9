//! The tables, once for both databases; a test holds this against what the migrations make.

macro_rules! tables {
    ($($name:ident ($($key:ident),+) { $($column:ident -> $ty:ty,)* })*) => {
        $(diesel::table! {
            use diesel::sql_types::*;
            use crate::store::column::{JsonDoc, UtcTime};
            $name ($($key),+) { $($column -> $ty,)* }
        })*
        diesel::allow_tables_to_appear_in_same_query!($($name),*);

        /// Every table and its columns, as this program expects to find them.
        pub const TABLES: &[(&str, &[&str])] = &[$((stringify!($name), &[$(stringify!($column)),*])),*];
    };
}

tables! {
    clients (id) {
        id -> Text,
        metadata -> JsonDoc,
        source -> Text,
        disabled_at -> Nullable<UtcTime>,
        created_at -> UtcTime,
        updated_at -> UtcTime,
        tokens_since -> Nullable<UtcTime>,
    }
    client_secrets (hash) {
        hash -> Binary,
        client_id -> Text,
        pepper -> SmallInt,
        created_at -> UtcTime,
        expires_at -> Nullable<UtcTime>,
        declared -> Nullable<Bool>,
        reminded -> Nullable<SmallInt>,
    }
    client_secret_uses (hash) {
        hash -> Binary,
        at -> UtcTime,
        address -> Nullable<Text>,
    }
    users (id) {
        id -> Text,
        username -> Text,
        username_key -> Text,
        profile -> JsonDoc,
        password_hash -> Nullable<Text>,
        password_changed_at -> Nullable<UtcTime>,
        disabled_at -> Nullable<UtcTime>,
        created_at -> UtcTime,
        updated_at -> UtcTime,
    }
    sessions (id) {
        id -> Text,
        hash -> Binary,
        user_id -> Text,
        auth_time -> UtcTime,
        amr -> JsonDoc,
        seen_at -> UtcTime,
        expires_at -> UtcTime,
        ended_at -> Nullable<UtcTime>,
        agent -> Nullable<Text>,
        address -> Nullable<Text>,
    }
    consents (id) {
        id -> Text,
        user_id -> Text,
        client_id -> Text,
        scope -> Text,
        resources -> JsonDoc,
        given_at -> UtcTime,
        withdrawn_at -> Nullable<UtcTime>,
    }
    codes (hash) {
        hash -> Binary,
        client_id -> Text,
        user_id -> Text,
        session_id -> Text,
        payload -> JsonDoc,
        expires_at -> UtcTime,
        used_at -> Nullable<UtcTime>,
        grant_id -> Nullable<Text>,
    }
    grants (id) {
        id -> Text,
        client_id -> Text,
        user_id -> Text,
        session_id -> Text,
        offline -> Bool,
        payload -> JsonDoc,
        created_at -> UtcTime,
        expires_at -> UtcTime,
        idle_expires_at -> UtcTime,
        generation -> Integer,
        current_hash -> Nullable<Binary>,
        previous_hash -> Nullable<Binary>,
        salt -> Nullable<Binary>,
        rotated_at -> Nullable<UtcTime>,
        revoked_at -> Nullable<UtcTime>,
        revoked_why -> Nullable<Text>,
        tokens_until -> Nullable<UtcTime>,
        tokens_generation -> Nullable<Integer>,
    }
    signing_keys (kid) {
        kid -> Text,
        alg -> Text,
        epoch -> Integer,
        state -> Text,
        state_at -> Nullable<UtcTime>,
        sealed -> Binary,
        public -> JsonDoc,
        created_at -> UtcTime,
        known_at -> Nullable<UtcTime>,
        changed_at -> Nullable<UtcTime>,
        why -> Nullable<Text>,
        origin -> Text,
        revoked_at -> Nullable<UtcTime>,
        outside -> Nullable<Text>,
    }
    signing_key_uses (kid) {
        kid -> Text,
        signed -> BigInt,
        signed_at -> Nullable<UtcTime>,
        seen -> BigInt,
        seen_at -> Nullable<UtcTime>,
    }
    jwks_fetches (address, agent) {
        address -> Text,
        agent -> Text,
        fetches -> BigInt,
        first_at -> UtcTime,
        last_at -> UtcTime,
        etag -> Text,
    }
    replay (scope, hash) {
        scope -> Text,
        hash -> Binary,
        expires_at -> UtcTime,
    }
    change_feed (epoch) {
        epoch -> BigInt,
        kind -> Text,
        subject -> Text,
        at -> UtcTime,
        expires_at -> UtcTime,
    }
    outbox (id) {
        id -> Text,
        kind -> Text,
        payload -> JsonDoc,
        created_at -> UtcTime,
        due_at -> UtcTime,
        attempts -> Integer,
        locked_until -> Nullable<UtcTime>,
        done_at -> Nullable<UtcTime>,
        dead_at -> Nullable<UtcTime>,
        last_error -> Nullable<Text>,
    }
    audit_events (id) {
        id -> Text,
        at -> UtcTime,
        node -> Text,
        kind -> Text,
        client_id -> Nullable<Text>,
        user_id -> Nullable<Text>,
        grant_id -> Nullable<Text>,
        address -> Nullable<Text>,
        request_id -> Nullable<Text>,
        data -> JsonDoc,
        api_key_id -> Nullable<Text>,
    }
    meta (name) {
        name -> Text,
        value -> Binary,
    }
    key_versions (kind, version) {
        kind -> Text,
        version -> Integer,
        sealed_by -> Nullable<Integer>,
        sealed -> Binary,
        proof -> Binary,
        uses -> BigInt,
        created_at -> UtcTime,
        begins_at -> UtcTime,
        retired_at -> Nullable<UtcTime>,
    }
    mac_keys (id) {
        id -> Text,
        sealed -> Binary,
        created_at -> UtcTime,
    }
    nodes (name) {
        name -> Text,
        seen_at -> UtcTime,
    }
    plans (id) {
        id -> Text,
        name -> Text,
        policy -> JsonDoc,
        version -> Integer,
        created_at -> UtcTime,
        updated_at -> UtcTime,
    }
    apis (id) {
        id -> Text,
        name -> Text,
        audience -> Text,
        prefix -> Text,
        environments -> JsonDoc,
        plan_id -> Nullable<Text>,
        policy -> JsonDoc,
        settings -> JsonDoc,
        version -> Integer,
        disabled_at -> Nullable<UtcTime>,
        created_at -> UtcTime,
        updated_at -> UtcTime,
    }
    key_families (id) {
        id -> Text,
        api_id -> Text,
        owner_kind -> Text,
        owner_id -> Text,
        client_id -> Nullable<Text>,
        name -> Text,
        plan_id -> Nullable<Text>,
        policy -> JsonDoc,
        version -> Integer,
        created_at -> UtcTime,
        updated_at -> UtcTime,
    }
    api_keys (id) {
        id -> Text,
        family_id -> Text,
        api_id -> Text,
        environment -> Text,
        digest -> Binary,
        pepper -> SmallInt,
        origin -> Text,
        hint -> Text,
        kind -> Text,
        state -> Text,
        scope -> Text,
        policy -> JsonDoc,
        meta -> JsonDoc,
        not_before -> Nullable<UtcTime>,
        expires_at -> Nullable<UtcTime>,
        successor_id -> Nullable<Text>,
        state_reason -> Nullable<Text>,
        state_at -> UtcTime,
        disabled_by -> Nullable<Text>,
        reminded -> SmallInt,
        version -> Integer,
        created_at -> UtcTime,
        mac_key -> Nullable<Text>,
    }
    key_alerts (key_id, detector) {
        key_id -> Text,
        detector -> Text,
        opened_at -> UtcTime,
        seen_at -> UtcTime,
        evidence -> JsonDoc,
    }
    key_uses (key_id) {
        key_id -> Text,
        at -> UtcTime,
        address -> Nullable<Text>,
        agent -> Nullable<Text>,
        first_at -> Nullable<UtcTime>,
    }
    key_places (key_id, hour, address, agent) {
        key_id -> Text,
        hour -> UtcTime,
        address -> Text,
        agent -> Text,
        calls -> BigInt,
        last_at -> UtcTime,
    }
    key_claims (id) {
        id -> Text,
        digest -> Binary,
        api_id -> Text,
        spec -> JsonDoc,
        expires_at -> UtcTime,
        claimed_at -> Nullable<UtcTime>,
        address -> Nullable<Text>,
        key_id -> Nullable<Text>,
        created_at -> UtcTime,
        owner_kind -> Nullable<Text>,
        owner_id -> Nullable<Text>,
        browser -> Nullable<Text>,
    }
    quota_counters (family_id, name, period_start) {
        family_id -> Text,
        name -> Text,
        period_start -> UtcTime,
        used -> BigInt,
        topped_up -> BigInt,
        warned -> SmallInt,
    }
    quota_grants (id) {
        id -> Text,
        family_id -> Text,
        name -> Text,
        period_start -> UtcTime,
        amount -> BigInt,
        reason -> Nullable<Text>,
        at -> UtcTime,
    }
    usage_minutes (key_id, minute, outcome) {
        key_id -> Text,
        minute -> UtcTime,
        outcome -> Text,
        calls -> BigInt,
        errors_4 -> BigInt,
        errors_5 -> BigInt,
        bytes_in -> BigInt,
        bytes_out -> BigInt,
        millis -> BigInt,
        reported -> BigInt,
    }
    usage_reports (api_id, id) {
        api_id -> Text,
        id -> Text,
        expires_at -> UtcTime,
    }
    usage_latencies (key_id, minute, bucket) {
        key_id -> Text,
        minute -> UtcTime,
        bucket -> BigInt,
        calls -> BigInt,
    }
    api_loads (api_id, minute) {
        api_id -> Text,
        minute -> UtcTime,
        reported -> BigInt,
        rejected -> BigInt,
    }
    idempotency (caller, hash) {
        caller -> Text,
        hash -> Binary,
        subject -> Text,
        expires_at -> UtcTime,
    }
}

diesel::joinable!(client_secrets -> clients (client_id));
diesel::joinable!(client_secret_uses -> client_secrets (hash));
diesel::joinable!(sessions -> users (user_id));
diesel::joinable!(consents -> clients (client_id));
diesel::joinable!(signing_key_uses -> signing_keys (kid));
