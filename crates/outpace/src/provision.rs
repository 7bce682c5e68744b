//! What `outpace.toml` names is put into the store at every start; what a first start needs is made up.

use std::collections::BTreeSet;

use anyhow::{Context, bail, ensure};
use engine::{AgentId, CompanyId, Strategy, Timestamp};
use sha2::{Digest, Sha256};
use store::{
    AppKey, CallerId, Company, Group, NewCompany, NewExtension, NewGroup, NewTrunk, PushSettings, Queueing,
    Scopes, SignIn, Store, StoreError,
};

use crate::config::{CompanyConfig, ExtensionConfig, GroupConfig, PushConfig};
use crate::switch::trunks::settings;

/// Extensions that a range may name at most.
const RANGE_MAX: u64 = 10_000;
const FIRST_EXTENSIONS: std::ops::RangeInclusive<u32> = 1001..=1010;

/// Made up by a first start: shown once, kept nowhere in clear but for the extensions' passwords.
#[derive(Clone, Debug)]
pub struct Generated {
    pub appid: String,
    pub accesskey: String,
    /// Number and password.
    pub extensions: Vec<(String, String)>,
}

/// Upserts; never deletes. With no company anywhere, a first one is made.
pub fn apply(store: &dyn Store, companies: &[CompanyConfig]) -> anyhow::Result<Option<Generated>> {
    for config in companies {
        put_company(store, config).with_context(|| format!("company {}", config.code))?;
    }
    if companies.is_empty() && store.companies()?.is_empty() {
        return first_company(store).map(Some);
    }
    Ok(None)
}

fn put_company(store: &dyn Store, config: &CompanyConfig) -> anyhow::Result<()> {
    let company = store.put_company(&NewCompany {
        code: config.code.clone(),
        name: if config.name.is_empty() { config.code.clone() } else { config.name.clone() },
        time_zone: config.time_zone.clone(),
        language: config.language.clone(),
        int_codes: config.int_codes,
        licensed_until: config.licensed_until.as_deref().map(|d| end_of(d, &config.time_zone)).transpose()?,
        allow_from: config.allow_from.clone(),
    })?;
    for app in &config.app {
        ensure!(
            app.accesskey.len() >= 16,
            "the accesskey of app {} must have at least 16 characters",
            app.appid
        );
        put_app(store, company.id, &app.appid, &app.accesskey, None)?;
    }
    let mut extensions = Vec::new();
    for extension in &config.extension {
        for number in numbers(extension)? {
            extensions.push(new_extension(company.id, &number, &extension.password, extension.enabled)?);
        }
    }
    // One transaction: thousands of them would take half a minute one by one.
    store.put_extensions(&extensions).context("extensions")?;
    for trunk in &config.trunk {
        let trunk = NewTrunk {
            company: company.id,
            name: trunk.name.clone(),
            address: trunk.address.clone(),
            details: trunk.details(),
            transport: trunk.transport.clone(),
            username: trunk.username.clone(),
            password: trunk.password.clone(),
            register: trunk.register,
            prefix: trunk.prefix.clone(),
            channels_max: trunk.channels_max,
            cps_max: trunk.cps_max,
            enabled: trunk.enabled,
        };
        settings::check(&trunk).map_err(|wrong| anyhow::anyhow!("trunk {}: {wrong}", trunk.name))?;
        store.put_trunk(&trunk)?;
    }
    for caller_id in &config.caller_id {
        store.put_caller_id(&CallerId {
            company: company.id,
            number: caller_id.number.clone(),
            enabled: caller_id.enabled,
            automatic: caller_id.automatic,
            inbound: caller_id.inbound,
            inbound_group: caller_id.inbound_group.clone(),
        })?;
    }
    for group in &config.group {
        put_group(store, &company, group).with_context(|| format!("group {}", group.name))?;
    }
    if let Some(inbound) = &config.inbound {
        store.put_inbound(company.id, &inbound.settings())?;
    }
    if let Some(compliance) = &config.compliance {
        store.put_compliance(company.id, &compliance.settings(&config.time_zone)?)?;
    }
    put_pushes(store, company.id, &config.push)
}

/// Without any URL what is in the store stays.
fn put_pushes(store: &dyn Store, company: CompanyId, config: &PushConfig) -> anyhow::Result<()> {
    if config.urls().iter().all(|(_, url)| url.is_empty()) {
        return Ok(());
    }
    store.put_pushes(&PushSettings {
        company,
        task_status_url: config.task_status_url.clone(),
        extension_state_url: config.extension_state_url.clone(),
        bill_url: config.bill_url.clone(),
        detail_form: config.detail_form,
        secret: config.secret.clone(),
        allow_private: config.allow_private,
    })?;
    Ok(())
}

/// `scopes` None: as they are, or all.
pub fn put_app(
    store: &dyn Store,
    company: CompanyId,
    appid: &str,
    accesskey: &str,
    scopes: Option<Scopes>,
) -> anyhow::Result<()> {
    let known = store.app_key(appid)?;
    if let Some(known) = &known {
        ensure!(known.company == company, "appid {appid} belongs to another company");
    }
    store.put_app_key(&AppKey {
        appid: appid.to_owned(),
        company,
        accesskey_sha256: Sha256::digest(accesskey.as_bytes()).into(),
        enabled: true,
        scopes: scopes.or(known.map(|k| k.scopes)).unwrap_or(Scopes::ALL),
    })?;
    Ok(())
}

pub fn put_extension(
    store: &dyn Store,
    company: CompanyId,
    number: &str,
    password: &str,
    enabled: bool,
) -> anyhow::Result<()> {
    let extension = new_extension(company, number, password, enabled)?;
    store.put_extension(&extension).with_context(|| format!("extension {number}"))?;
    Ok(())
}

fn new_extension(
    company: CompanyId,
    number: &str,
    password: &str,
    enabled: bool,
) -> anyhow::Result<NewExtension> {
    ensure!(
        !number.is_empty() && number.len() <= 32 && number.bytes().all(|b| b.is_ascii_alphanumeric()),
        "extension {number:?}: use 1 to 32 letters and digits"
    );
    ensure!(!password.is_empty(), "extension {number} needs a password");
    Ok(NewExtension { company, number: number.to_owned(), password: password.to_owned(), enabled })
}

pub fn put_group(store: &dyn Store, company: &Company, config: &GroupConfig) -> anyhow::Result<()> {
    let strategy = Strategy::from_code(config.strategy)
        .with_context(|| format!("strategy must be 1 to 8, not {}", config.strategy))?;
    let added = store.add_group(&NewGroup {
        company: company.id,
        name: config.name.clone(),
        enabled: true,
        strategy,
        remark: String::new(),
        automatic: true,
        queueing: Queueing::default(),
    });
    let group = match added {
        Ok(group) => group,
        Err(StoreError::Taken(_)) => find_group(store, company.id, &config.name)?,
        Err(error) => return Err(error.into()),
    };
    if group.strategy != strategy {
        store.edit_group(&Group { strategy, ..group.clone() })?;
    }
    let known: BTreeSet<AgentId> = group.members.iter().map(|m| m.agent).collect();
    let mut new = Vec::new();
    for number in &config.members {
        let extension = store.extension(number)?.filter(|e| e.company == company.id);
        let Some(extension) = extension else { bail!("member {number} is no extension of this company") };
        if !known.contains(&extension.id) {
            new.push(extension.id);
        }
    }
    let signed_in = if config.sign_in { SignIn::In } else { SignIn::Keep };
    store.put_members(group.id, &new, signed_in)?;
    Ok(())
}

pub fn find_group(store: &dyn Store, company: CompanyId, name: &str) -> anyhow::Result<Group> {
    store.groups(company)?.into_iter().find(|g| g.name == name).with_context(|| format!("no group {name:?}"))
}

fn first_company(store: &dyn Store) -> anyhow::Result<Generated> {
    let company = store.put_company(&NewCompany {
        code: "1".into(),
        name: "default".into(),
        time_zone: "Asia/Shanghai".into(),
        language: "zh".into(),
        int_codes: false,
        licensed_until: None,
        allow_from: Vec::new(),
    })?;
    let generated = Generated {
        appid: random_hex(8)?,
        accesskey: random_hex(16)?,
        extensions: FIRST_EXTENSIONS
            .map(|n| Ok((n.to_string(), random_hex(8)?)))
            .collect::<anyhow::Result<_>>()?,
    };
    put_app(store, company.id, &generated.appid, &generated.accesskey, None)?;
    for (number, password) in &generated.extensions {
        put_extension(store, company.id, number, password, true)?;
    }
    Ok(generated)
}

/// `n` random bytes in hex.
pub fn random_hex(n: usize) -> anyhow::Result<String> {
    let mut bytes = vec![0; n];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("the system has no randomness: {error}"))?;
    Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
}

fn numbers(config: &ExtensionConfig) -> anyhow::Result<Vec<String>> {
    let Some(last) = &config.last else { return Ok(vec![config.number.clone()]) };
    let parse = |s: &str| s.parse::<u64>().with_context(|| format!("extension range: {s:?} is not a number"));
    let (from, to) = (parse(&config.number)?, parse(last)?);
    ensure!(
        from <= to && to - from < RANGE_MAX,
        "extension range {from} to {to}: at most {RANGE_MAX} extensions"
    );
    let width = config.number.len();
    Ok((from..=to).map(|n| format!("{n:0width$}")).collect())
}

/// The last second of a day `yyyy-mm-dd` in the zone.
fn end_of(day: &str, time_zone: &str) -> anyhow::Result<Timestamp> {
    let date: jiff::civil::Date =
        day.parse().with_context(|| format!("licensed_until {day:?} is not a day such as 2030-12-31"))?;
    let end = date.at(23, 59, 59, 0).in_tz(time_zone).context("licensed_until")?;
    Ok(Timestamp(end.timestamp().as_microsecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_keeps_its_leading_zeros() {
        let range = |number: &str, last: Option<&str>| {
            numbers(&ExtensionConfig {
                number: number.into(),
                last: last.map(str::to_owned),
                password: "p".into(),
                enabled: true,
            })
        };
        assert_eq!(range("0099", Some("0101")).unwrap(), ["0099", "0100", "0101"]);
        assert_eq!(range("1001", None).unwrap(), ["1001"]);
        assert!(range("2", Some("1")).is_err());
        assert!(range("1", Some("99999999")).is_err());
    }
}
