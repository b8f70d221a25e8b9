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
    }
    client_secrets (hash) {
        hash -> Binary,
        client_id -> Text,
        pepper -> SmallInt,
        created_at -> UtcTime,
        expires_at -> Nullable<UtcTime>,
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
    }
    meta (name) {
        name -> Text,
        value -> Binary,
    }
}

diesel::joinable!(client_secrets -> clients (client_id));
diesel::joinable!(sessions -> users (user_id));
diesel::joinable!(consents -> clients (client_id));
