//! The one table of the operations under `/v1`: a new route needs a row here.

use super::{
    super::{
        leaks,
        usage::{self, Shown, Taken},
        verify::{self, told::Told},
        wire::{
            ApiBody, ApiPatch, ClaimBody, CreateBody, FinishBody, GrantBody, ImportBody, KeyPatch, ManyBody, PlanBody,
            PlanPatch, ReasonBody, RotateBody, UsedBody,
        },
    },
    operation::{
        Body::{Needed, Optional},
        Operation, delete, get, patch, post, put,
    },
    parameters::Parameter::{
        After, AfterEnded, Filter, From, IdempotencyKey, IfMatch, IfNoneMatch, Limit, Since, State, StepOf, To,
    },
    told::{
        Apis, Document, Ended, Finished, HmacKeys, ImportedKeys, KeyMade, KeyShown, Keys, LinkMade, Links, Many, Plans,
        Quotas, Rotated, Switched,
    },
};
use crate::{
    apikey::access::Act::{Change, Create, Enable, GrantQuota, Import, ManageApis, Read, ReadApis, Revoke, Rotate},
    flow::api_keys::{rotation, told},
};

type Api = told::Api<'static>;
type Plan = told::Plan<'static>;
type Key = told::Key<'static>;
type Quota = told::Quota<'static>;

/// Every operation.
pub(super) const OPERATIONS: &[Operation] = &[
    get("/v1/openapi.json", "describe", "This document.").asks(&[IfNoneMatch]).gives::<Document>(200).tagged(),
    post(
        "/v1/keys/verify",
        "verify_key",
        "Says whether an API key is good for a call, and spends what the call costs. The answer is 200 whatever \
         the verdict. Of keys for other APIs it says that there are none.",
    )
    .by_resource_server()
    .takes::<verify::Question>(Needed)
    .gives::<Told<'static>>(200)
    .refuses(&[429]),
    post("/v1/keys/verify/batch", "verify_keys", "The same for several keys at once, each for itself.")
        .by_resource_server()
        .takes::<verify::Batch>(Needed)
        .gives::<verify::Items<'static>>(200)
        .refuses(&[429]),
    get("/v1/keys", "list_keys", "Lists API keys: one's own, and with the scope `keys:any` everybody's.")
        .by(Read)
        .asks(&[After, Limit, Filter("api"), Filter("family"), State])
        .gives::<Keys>(200)
        .refuses(&[400]),
    post("/v1/keys", "create_key", "Makes an API key. Its text is in the answer, this once.")
        .by(Create)
        .asks(&[IdempotencyKey])
        .takes::<CreateBody>(Needed)
        .gives::<KeyMade>(201)
        .refuses(&[404, 409, 422]),
    get("/v1/keys/claims", "list_claim_links", "Lists links with which a key is claimed: never what stands in them.")
        .by(Read)
        .asks(&[After, Limit])
        .gives::<Links>(200)
        .refuses(&[400]),
    post(
        "/v1/keys/claims",
        "make_claim_link",
        "Makes a link with which somebody makes a key, once, and sees it. The link is in the answer, this once.",
    )
    .by(Create)
    .takes::<ClaimBody>(Needed)
    .gives::<LinkMade>(201)
    .refuses(&[404, 409, 422]),
    delete("/v1/keys/claims/{id}", "withdraw_claim_link", "Takes a link back that nobody has used.")
        .by(Revoke)
        .refuses(&[404, 409]),
    get("/v1/keys/{id}", "show_key", "Shows an API key, and what is left of its quotas.")
        .by(Read)
        .gives::<KeyShown>(200)
        .tagged()
        .refuses(&[404]),
    patch("/v1/keys/{id}", "change_key", "Changes members of an API key (JSON Merge Patch, RFC 7396).")
        .by(Change)
        .asks(&[IfMatch])
        .takes::<KeyPatch>(Needed)
        .gives::<Key>(200)
        .tagged()
        .refuses(&[404, 409, 412, 422, 428]),
    post(
        "/v1/keys/import",
        "import_keys",
        "Brings API keys that were made elsewhere, at most a thousand at once, by their text, or the SHA-256 or \
         an HMAC of it. \
         Those that are there already or cannot be hinder no other. Only with the scope `keys:any`.",
    )
    .by(Import)
    .takes::<ImportBody>(Needed)
    .gives::<ImportedKeys>(200)
    .refuses(&[404, 409, 422]),
    get(
        "/v1/hmac-keys",
        "list_hmac_keys",
        "Lists the keys of HMAC under which others hashed what was brought: never themselves. Only with the scope \
         `keys:any`.",
    )
    .by(Import)
    .gives::<HmacKeys>(200),
    delete(
        "/v1/hmac-keys/{id}",
        "remove_hmac_key",
        "Forgets a key of HMAC, where no API key is known by it any more. Only with the scope `keys:any`.",
    )
    .by(Import)
    .refuses(&[404, 409]),
    post(
        "/v1/keys/revoke",
        "revoke_keys",
        "Ends all API keys that fit everything that is said, at most ten thousand at once. A dry run tells how many.",
    )
    .by(Revoke)
    .takes::<ManyBody>(Needed)
    .gives::<Many>(200)
    .refuses(&[422]),
    get("/v1/keys/{id}/quotas", "list_quotas", "Lists the quotas of an API key, as they stand in their periods.")
        .by(Read)
        .gives::<Quotas>(200)
        .refuses(&[404]),
    post(
        "/v1/keys/{id}/quotas/{name}/grants",
        "grant_quota",
        "Raises the limit of a quota for its period, or takes that back, never below what was used. Only with the \
         scope `keys:any`: nobody gives to themselves.",
    )
    .by(GrantQuota)
    .asks(&[IdempotencyKey])
    .takes::<GrantBody>(Needed)
    .gives::<Quota>(200)
    .refuses(&[404, 409, 422]),
    put("/v1/keys/{id}/quotas/{name}/used", "correct_quota", "Corrects what was used of a quota in its period.")
        .by(GrantQuota)
        .asks(&[IdempotencyKey])
        .takes::<UsedBody>(Needed)
        .gives::<Quota>(200)
        .refuses(&[404, 409, 422]),
    get("/v1/keys/{id}/usage", "show_usage", "Shows what an API key was used for, as verified and as reported.")
        .by(Read)
        .asks(&[From, To, StepOf])
        .gives::<Shown>(200)
        .refuses(&[400, 404]),
    post(
        "/v1/usage",
        "report_usage",
        "Takes what a resource server reports of the calls that it served. Each report counts once, however often it \
         is sent; those that cannot count are named in the answer.",
    )
    .by_resource_server()
    .takes::<usage::Body>(Needed)
    .gives::<Taken>(200)
    .refuses(&[429]),
    post(
        "/v1/leaks",
        "report_leaks",
        "Takes texts that somebody found where they do not belong. API keys of this server among them are ended for \
         good. The answer is the same whatever they are. Sixty reports an hour from one address.",
    )
    .takes::<leaks::Report>(Needed)
    .says(202)
    .refuses(&[429, 500, 503]),
    post(
        "/v1/leaks/trufflehog",
        "check_leak",
        "Says to a scanner (TruffleHog's contract for custom detectors) whether one of the texts that it found is an \
         API key of this server that is still good: 200, else 403. Nothing is spent or revoked.",
    )
    .takes::<leaks::Question>(Needed)
    .says(200)
    .refuses(&[403, 429, 500, 503]),
    post(
        "/v1/keys/{id}/rotate",
        "rotate_key",
        "Gives an API key a successor, whose text is in the answer, this once. Both are good until the overlap ends.",
    )
    .by(Rotate)
    .takes::<RotateBody>(Optional)
    .gives::<Rotated>(201)
    .refuses(&[404, 409, 422]),
    get(
        "/v1/keys/{id}/rotation",
        "show_rotation",
        "Shows how far a rotation is, by either of its keys: whether the new key is used, and from where the old one \
         was of late.",
    )
    .by(Read)
    .gives::<rotation::Told<'static>>(200)
    .refuses(&[404, 409]),
    post("/v1/keys/{id}/finish", "finish_rotation", "Ends the overlap of an API key with its successor.")
        .by(Rotate)
        .takes::<FinishBody>(Optional)
        .gives::<Finished>(200)
        .refuses(&[404, 409]),
    post("/v1/keys/{id}/disable", "disable_key", "Switches an API key off.")
        .by(Revoke)
        .takes::<ReasonBody>(Optional)
        .gives::<Switched>(200)
        .refuses(&[404, 409, 422]),
    post("/v1/keys/{id}/enable", "enable_key", "Switches an API key on again.")
        .by(Enable)
        .takes::<ReasonBody>(Optional)
        .gives::<Switched>(200)
        .refuses(&[404, 409, 422]),
    post("/v1/keys/{id}/revoke", "revoke_key", "Ends an API key for good.")
        .by(Revoke)
        .takes::<ReasonBody>(Optional)
        .gives::<Switched>(200)
        .refuses(&[404, 409, 422]),
    get(
        "/v1/revocations",
        "list_ended_keys",
        "Lists the API keys that ended of late, for resource servers that keep good verdicts for a while. Whoever accepts \
         `text/event-stream` hears of each as it ends.",
    )
    .by_resource_server()
    .asks(&[Since, AfterEnded])
    .gives::<Ended>(200)
    .streams()
    .refuses(&[400, 429]),
    get("/v1/apis", "list_apis", "Lists the APIs that keys are for.")
        .by(ReadApis)
        .asks(&[After])
        .gives::<Apis>(200)
        .refuses(&[400]),
    post("/v1/apis", "add_api", "Adds an API.")
        .by(ManageApis)
        .takes::<ApiBody>(Needed)
        .gives::<Api>(201)
        .tagged()
        .refuses(&[404, 409, 422]),
    get("/v1/apis/{id}", "show_api", "Shows an API.").by(ReadApis).gives::<Api>(200).tagged().refuses(&[404]),
    patch("/v1/apis/{id}", "change_api", "Changes members of an API (JSON Merge Patch, RFC 7396).")
        .by(ManageApis)
        .asks(&[IfMatch])
        .takes::<ApiPatch>(Needed)
        .gives::<Api>(200)
        .tagged()
        .refuses(&[404, 409, 412, 422, 428]),
    put("/v1/apis/{id}", "replace_api", "Replaces what is said of an API.")
        .by(ManageApis)
        .asks(&[IfMatch])
        .takes::<ApiBody>(Needed)
        .gives::<Api>(200)
        .tagged()
        .refuses(&[404, 409, 412, 422, 428]),
    post("/v1/apis/{id}/disable", "disable_api", "Disables an API: its keys are refused.")
        .by(ManageApis)
        .gives::<Api>(200)
        .tagged()
        .refuses(&[404, 409]),
    post("/v1/apis/{id}/enable", "enable_api", "Enables an API again.")
        .by(ManageApis)
        .gives::<Api>(200)
        .tagged()
        .refuses(&[404, 409]),
    get("/v1/plans", "list_plans", "Lists plans.").by(ReadApis).asks(&[After]).gives::<Plans>(200).refuses(&[400]),
    post("/v1/plans", "add_plan", "Adds a plan: rate and quota under a name.")
        .by(ManageApis)
        .takes::<PlanBody>(Needed)
        .gives::<Plan>(201)
        .tagged()
        .refuses(&[409, 422]),
    get("/v1/plans/{id}", "show_plan", "Shows a plan.").by(ReadApis).gives::<Plan>(200).tagged().refuses(&[404]),
    patch("/v1/plans/{id}", "change_plan", "Changes members of a plan (JSON Merge Patch, RFC 7396).")
        .by(ManageApis)
        .asks(&[IfMatch])
        .takes::<PlanPatch>(Needed)
        .gives::<Plan>(200)
        .tagged()
        .refuses(&[404, 409, 412, 422, 428]),
    put("/v1/plans/{id}", "replace_plan", "Replaces what is said of a plan.")
        .by(ManageApis)
        .asks(&[IfMatch])
        .takes::<PlanBody>(Needed)
        .gives::<Plan>(200)
        .tagged()
        .refuses(&[404, 409, 412, 422, 428]),
];
