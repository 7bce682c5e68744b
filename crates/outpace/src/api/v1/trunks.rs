//! Trunks: SIP peers that calls to customers go through.

use serde_json::{Value, json};
use store::{NewTrunk, Scope, Trunk, TrunkAddress, TrunkDetails};

use super::problem::Problem;
use super::route::{Route, run};
use super::schema::{Schema, boolean, count, field, integer, line, list, object, optional, text, word};
use super::visit::{Answer, Fields, Visit};
use crate::handle::Command;
use crate::switch::edge;
use crate::switch::trunks::settings;

const TRANSPORTS: &[&str] = &["udp", "tcp", "tls", "auto"];
const ADDRESS_TRANSPORTS: &[&str] = &["", "udp", "tcp", "tls", "auto"];

pub fn routes() -> Vec<Route> {
    let items = field("items", list(schema(), 0, usize::MAX), "");
    let at_name = |route: Route| route.path_part("trunk", line(1, 100), "Its name.");
    vec![
        Route::get("/v1/trunks", "listTrunks", run!(list_all))
            .about("All trunks, without their passwords.")
            .answers(200, object("Trunks", vec![items])),
        at_name(Route::get("/v1/trunks/{trunk}", "getTrunk", run!(get)))
            .refused_with(&[404])
            .about("One trunk.")
            .answers(200, schema()),
        at_name(Route::put("/v1/trunks/{trunk}", "putTrunk", run!(put)))
            .about("Adds or changes a trunk. What is not given stays as it was, or is the default.")
            .needs_scope(Scope::Admin)
            .body(new_schema())
            .answers(200, schema()),
        at_name(Route::delete("/v1/trunks/{trunk}", "deleteTrunk", run!(delete)))
            .refused_with(&[404, 409])
            .about("Deletes a trunk. Refused (409) while it is enabled or a call goes through it.")
            .needs_scope(Scope::Admin),
    ]
}

fn new_schema() -> Schema {
    object(
        "NewTrunk",
        vec![
            optional(
                "address",
                line(0, 255),
                "host:port, or a host alone for what DNS says. This or addresses is needed.",
            ),
            optional(
                "addresses",
                list(address_schema("NewTrunkAddress"), 0, settings::ADDRESSES_MAX),
                "More addresses, in place of those that are there.",
            ),
            optional("transport", word(TRANSPORTS), "Default: udp. auto: what the domain says (NAPTR, SRV)."),
            optional(
                "username",
                line(0, 255),
                "For the digest authentication. Empty: the carrier knows the address.",
            ),
            optional("password", line(0, 255), "").secret(),
            optional("register", boolean(), "Whether to register at the trunk. Default: false."),
            optional("prefix", line(0, 32), "Put before every number."),
            optional("channels_max", integer(1, 100_000), "Most calls at once. Default: 100."),
            optional("cps_max", integer(0, 100_000), "Most new calls a second; 0: no limit, the default."),
            optional("enabled", boolean(), "Default: true."),
            optional(
                "options_every_s",
                integer(0, 86_400),
                "Seconds between two OPTIONS to each address. Default: 30; 0: never.",
            ),
            optional(
                "silence_max_s",
                integer(1, 30),
                "Seconds without a response after which the next address is tried. Default: 5.",
            ),
            optional(
                "redirects_max",
                integer(0, 5),
                "Redirects that one call follows. 0, the default: a redirect is a refusal.",
            ),
            optional(
                "tls_ca",
                text(settings::TLS_CA_BYTES_MAX),
                "PEM: the authorities that may vouch for the trunk's certificate. Empty, the default: those of the \
                 system.",
            ),
            optional(
                "from_user",
                line(0, 64),
                "User in From and Contact. Empty, the default: the caller id.",
            ),
            optional(
                "asserted_identity",
                line(0, 64),
                "Number in P-Asserted-Identity; caller_id: that of the call. Empty, the default: none.",
            ),
            optional("privacy", boolean(), "Whether to hide the caller id from customers. Default: false."),
            optional(
                "pass_identity",
                boolean(),
                "Whether phones get the Identity headers (RFC 8224) of calls from the trunk. Default: true.",
            ),
        ],
    )
}

fn address_schema(name: &'static str) -> Schema {
    object(
        name,
        vec![
            field("host", line(1, 253), "A name or an IP address."),
            optional("port", integer(1, 65_535).nullable(), "Null: what DNS says, else the transport's own."),
            optional("transport", word(ADDRESS_TRANSPORTS), "Empty, the default: that of the trunk."),
            optional("priority", integer(0, 65_535), "Lower ones are used first. Default: 0."),
            optional("weight", integer(0, 65_535), "Share among those of one priority. Default: 1."),
        ],
    )
}

fn schema() -> Schema {
    object(
        "Trunk",
        vec![
            field("name", text(1000), ""),
            field("address", text(1000), ""),
            field("transport", text(16), ""),
            field("username", text(1000), ""),
            field("has_password", boolean(), ""),
            field("register", boolean(), ""),
            field("prefix", text(1000), ""),
            field("channels_max", count(), ""),
            field("cps_max", count(), ""),
            field("enabled", boolean(), ""),
            field("addresses", list(address_schema("TrunkAddress"), 0, usize::MAX), ""),
            field("options_every_s", count(), ""),
            field("silence_max_s", count(), ""),
            field("redirects_max", count(), ""),
            field("tls_ca", text(usize::MAX), "PEM, or the file of the server that outpace.toml names."),
            field("from_user", text(1000), ""),
            field("asserted_identity", text(1000), ""),
            field("privacy", boolean(), ""),
            field("pass_identity", boolean(), ""),
        ],
    )
}

fn shown(trunk: &Trunk) -> Value {
    let (s, d) = (&trunk.settings, &trunk.settings.details);
    json!({
        "name": s.name,
        "address": s.address,
        "transport": s.transport,
        "username": s.username,
        "has_password": !s.password.is_empty(),
        "register": s.register,
        "prefix": s.prefix,
        "channels_max": s.channels_max,
        "cps_max": s.cps_max,
        "enabled": s.enabled,
        "addresses": d.addresses.iter().map(shown_address).collect::<Vec<Value>>(),
        "options_every_s": d.options_every_s,
        "silence_max_s": d.silence_max_s,
        "redirects_max": d.redirects_max,
        "tls_ca": d.tls_ca,
        "from_user": d.from_user,
        "asserted_identity": d.asserted_identity,
        "privacy": d.privacy,
        "pass_identity": d.pass_identity,
    })
}

fn shown_address(a: &TrunkAddress) -> Value {
    json!({
        "host": a.host,
        "port": a.port,
        "transport": a.transport,
        "priority": a.priority,
        "weight": a.weight,
    })
}

async fn trunks(visit: &Visit) -> Result<Vec<Trunk>, Problem> {
    let company = visit.company();
    Ok(visit.store(move |s| s.trunks(company)).await?)
}

async fn list_all(visit: Visit) -> Result<Answer, Problem> {
    let items: Vec<Value> = trunks(&visit).await?.iter().map(shown).collect();
    Ok(Answer::ok(json!({ "items": items })))
}

async fn get(visit: Visit) -> Result<Answer, Problem> {
    let name = visit.part("trunk");
    let found = trunks(&visit).await?.into_iter().find(|t| t.settings.name == name);
    Ok(Answer::ok(shown(&found.ok_or_else(|| Problem::not_found("trunk"))?)))
}

async fn delete(visit: Visit) -> Result<Answer, Problem> {
    let (company, name) = (visit.company(), visit.part("trunk").to_owned());
    visit.store(move |s| s.delete_trunk(company, &name)).await?;
    visit.announce(|| Command::Reload).await;
    Ok(Answer::nothing())
}

async fn put(visit: Visit) -> Result<Answer, Problem> {
    let name = visit.part("trunk").to_owned();
    let known = trunks(&visit).await?.into_iter().find(|t| t.settings.name == name).map(|t| t.settings);
    let known = known.unwrap_or_else(|| NewTrunk {
        company: visit.company(),
        name,
        address: String::new(),
        transport: "udp".to_owned(),
        username: String::new(),
        password: String::new(),
        register: false,
        prefix: String::new(),
        channels_max: 100,
        cps_max: 0,
        enabled: true,
        details: TrunkDetails::default(),
    });
    let trunk = changed(&visit.body, known)?;
    let trunk = visit.store(move |s| s.put_trunk(&trunk)).await?;
    visit.announce(|| Command::Reload).await;
    Ok(Answer::ok(shown(&trunk)))
}

/// What is not in the body stays as it was.
fn changed(b: &Fields, known: NewTrunk) -> Result<NewTrunk, Problem> {
    let text = |name: &str, known: &str| b.text(name).unwrap_or(known).to_owned();
    let d = &known.details;
    // A file of the server is not the client's to name.
    let tls_ca = text("tls_ca", &d.tls_ca);
    if !tls_ca.is_empty() && tls_ca != d.tls_ca && !edge::is_pem(&tls_ca) {
        return Err(Problem::of_field("tls_ca", "must be certificates in PEM, or empty"));
    }
    let addresses = b.list("addresses").map(|list| list.iter().map(address).collect());
    let details = TrunkDetails {
        addresses: addresses.unwrap_or_else(|| d.addresses.clone()),
        options_every_s: b.small("options_every_s").unwrap_or(d.options_every_s),
        silence_max_s: b.small("silence_max_s").unwrap_or(d.silence_max_s),
        redirects_max: b.small("redirects_max").unwrap_or(d.redirects_max),
        tls_ca,
        from_user: text("from_user", &d.from_user),
        asserted_identity: text("asserted_identity", &d.asserted_identity),
        privacy: b.boolean("privacy").unwrap_or(d.privacy),
        pass_identity: b.boolean("pass_identity").unwrap_or(d.pass_identity),
    };
    let trunk = NewTrunk {
        address: text("address", &known.address),
        transport: text("transport", &known.transport),
        username: text("username", &known.username),
        password: text("password", &known.password),
        register: b.boolean("register").unwrap_or(known.register),
        prefix: text("prefix", &known.prefix),
        channels_max: b.small("channels_max").unwrap_or(known.channels_max),
        cps_max: b.small("cps_max").unwrap_or(known.cps_max),
        enabled: b.boolean("enabled").unwrap_or(known.enabled),
        details,
        company: known.company,
        name: known.name,
    };
    settings::check(&trunk).map_err(|wrong| Problem::of_field(&wrong.key, wrong.why))?;
    Ok(trunk)
}

/// Checked by the schema.
fn address(value: &Value) -> TrunkAddress {
    let fields = Fields(value.as_object().cloned().unwrap_or_default());
    let small = |name: &str| fields.small(name).and_then(|n| u16::try_from(n).ok());
    TrunkAddress {
        host: fields.text_or_empty("host"),
        port: small("port"),
        transport: fields.text_or_empty("transport"),
        priority: small("priority").unwrap_or(0),
        weight: small("weight").unwrap_or(1),
    }
}
