//! Which column holds what: by the names in a header row, in Chinese or English.

use super::table::Row;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Columns {
    pub phone: usize,
    pub time: Option<usize>,
    pub user_id: Option<usize>,
    pub member_id: Option<usize>,
    pub ext: Option<usize>,
    pub custom_uuid: Option<usize>,
    pub time_zone: Option<usize>,
}

/// As they are after `plain`.
const PHONE: &[&str] = &[
    "phone",
    "telphone",
    "telephone",
    "tel",
    "mobile",
    "mobilephone",
    "cell",
    "cellphone",
    "phonenumber",
    "number",
    "callee",
    "号码",
    "电话",
    "电话号码",
    "手机",
    "手机号",
    "手机号码",
    "联系电话",
    "客户电话",
    "客户号码",
    "被叫号码",
    "被叫",
];
/// Words in the name of a column of numbers, when none has one of the names above.
const PHONE_PARTS: &[&str] = &["phone", "mobile", "手机", "电话", "号码"];
const TIME: &[&str] = &[
    "time",
    "deadline",
    "expires",
    "expiretime",
    "notafter",
    "期限",
    "拨打期限",
    "截止时间",
    "截止日期",
    "有效期",
    "过期时间",
    "失效时间",
];
const USER_ID: &[&str] = &["userid", "用户id", "用户编号"];
const MEMBER_ID: &[&str] = &["memberid", "会员id", "会员编号", "客户id", "客户编号"];
const EXT: &[&str] = &["ext", "扩展", "扩展字段"];
const CHENGSHUDU: &[&str] = &["chengshudu", "成熟度"];
const CUSTOM_UUID: &[&str] = &["customuuid", "uuid", "自定义id", "自定义uuid", "自定义编号"];
const TIME_ZONE: &[&str] = &["timezone", "时区"];

impl Columns {
    /// None when the row is no header.
    pub fn of(header: &Row) -> Option<Columns> {
        let names: Vec<String> = header.cells().iter().map(|cell| plain(cell)).collect();
        // Numbers are data.
        if names.iter().any(|name| name.len() >= 5 && name.bytes().all(|b| b.is_ascii_digit())) {
            return None;
        }
        let named = |known: &[&str]| names.iter().position(|name| known.contains(&name.as_str()));
        let has_part = |name: &String| PHONE_PARTS.iter().any(|part| name.contains(part));
        Some(Columns {
            phone: named(PHONE).or_else(|| names.iter().position(has_part))?,
            time: named(TIME),
            user_id: named(USER_ID),
            member_id: named(MEMBER_ID),
            ext: named(EXT).or_else(|| named(CHENGSHUDU)),
            custom_uuid: named(CUSTOM_UUID),
            time_zone: named(TIME_ZONE),
        })
    }
}

/// In lower case, without blanks, `_`, `-`, `*` and what stands in brackets.
fn plain(name: &str) -> String {
    let name = name.split(['(', '（']).next().unwrap_or_default();
    name.to_lowercase().chars().filter(|c| !c.is_whitespace() && !matches!(c, '_' | '-' | '*')).collect()
}
