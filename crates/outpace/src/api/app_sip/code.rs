//! The code space of `errors.code` and the status fields, and the texts in both languages.

/// Language of the texts in an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Language {
    Chinese,
    English,
}

impl Language {
    /// `zh` or `en`, as in `lang` and in the company's settings.
    pub fn from_tag(tag: &str) -> Option<Language> {
        match tag.trim().to_ascii_lowercase().as_str() {
            "zh" | "zh-cn" | "cn" => Some(Language::Chinese),
            "en" | "en-us" | "en-gb" => Some(Language::English),
            _ => None,
        }
    }
}

/// One text in every language.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Text {
    chinese: &'static str,
    english: &'static str,
}

impl Text {
    pub const fn new(chinese: &'static str, english: &'static str) -> Text {
        Text { chinese, english }
    }

    pub const fn of(self, language: Language) -> &'static str {
        match language {
            Language::Chinese => self.chinese,
            Language::English => self.english,
        }
    }
}

/// A number of the contract's code space.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Code(pub u16);

impl Code {
    pub const NO_CONNECTION: Code = Code(1001);
    pub const CHECK_FAILED: Code = Code(1002);
    pub const FAILED: Code = Code(1003);
    pub const EXTENSION_BUSY: Code = Code(1010);
    pub const FOREIGN_EXTENSION: Code = Code(1011);
    pub const NO_EXTENSION: Code = Code(1012);
    pub const EXTENSION_DISABLED: Code = Code(1013);
    pub const NOT_REGISTERED: Code = Code(1014);
    pub const NOT_IN_CALL: Code = Code(1015);
    pub const EXTENSION_ENABLED: Code = Code(1016);
    pub const REGISTERED: Code = Code(1017);
    pub const NUMBER_ENABLED: Code = Code(1018);
    pub const NUMBER_DISABLED: Code = Code(1019);
    pub const NO_NUMBER: Code = Code(1020);
    pub const BAD_NUMBER: Code = Code(1021);
    pub const NO_TASK: Code = Code(1024);
    pub const NOT_STARTED: Code = Code(1025);
    pub const RUNNING: Code = Code(1026);
    pub const PAUSED: Code = Code(1027);
    pub const ENDED: Code = Code(1028);
    pub const NO_FILE: Code = Code(1029);
    pub const NO_POLICY: Code = Code(1031);
    pub const AGAINST_POLICY: Code = Code(1032);
    pub const NO_RESOURCE: Code = Code(1033);
    pub const NOT_CALLED: Code = Code(1035);
    pub const CALLED: Code = Code(1036);
    pub const GROUP_DISABLED: Code = Code(1041);
    pub const GROUP_ENABLED: Code = Code(1042);
    pub const NO_GROUP: Code = Code(1043);
    pub const WRONG_STATE: Code = Code(1044);
    pub const TOO_MANY_NUMBERS: Code = Code(1045);
    pub const IDLE: Code = Code(1201);
    pub const RINGING: Code = Code(1202);
    pub const OFF_HOOK: Code = Code(1203);
    pub const TALKING: Code = Code(1204);
    pub const OTHER: Code = Code(1208);
    /// Let the last offer ring; or its phone is not there.
    pub const SEAT_UNREACHED: Code = Code(1212);
    pub const SEAT_WAITING: Code = Code(1213);
    pub const SEAT_RECEIVING: Code = Code(1214);
    pub const SEAT_TALKING: Code = Code(1215);
    pub const SEAT_DECLINED: Code = Code(1216);
    pub const SEAT_PAUSED: Code = Code(1217);

    /// `codemsg`.
    pub const fn text(self) -> Text {
        match self.0 {
            1001 => Text::new("服务器连接失败", "The dialer does not answer"),
            1002 => Text::new("操作异常(校验失败)", "Check failed"),
            1003 => Text::new("操作失败", "Operation failed"),
            1010 => Text::new("分机异常", "Extension busy"),
            1011 => Text::new("非法分机", "Extension of another company"),
            1012 => Text::new("分机不存在", "Extension does not exist"),
            1013 => Text::new("分机已停用", "Extension disabled"),
            1014 => Text::new("分机未注册", "Extension not registered"),
            1015 => Text::new("分机不在通话中", "Extension not in a call"),
            1019 => Text::new("号码已禁用", "Number disabled"),
            1020 => Text::new("号码不存在", "Number does not exist"),
            1021 => Text::new("非法号码", "Bad number"),
            1024 => Text::new("任务不存在", "Task does not exist"),
            1029 => Text::new("文件不存在", "File does not exist"),
            1031 => Text::new("策略设置异常", "The company has no caller id"),
            1032 => Text::new("违反策略规则", "Against the rules of the company"),
            1033 => Text::new("无策略资源", "Nothing is free for it"),
            1041 => Text::new("分机组已停用", "Extension group disabled"),
            1043 => Text::new("分机组不存在", "Extension group does not exist"),
            1044 => Text::new("任务状态不允许此操作", "Not possible in this state of the task"),
            1045 => Text::new("号码超过10000个", "More than 10000 numbers"),
            _ => Text::new("操作失败", "Operation failed"),
        }
    }
}

/// `ret` of a platform failure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ret {
    BadRequest,
    NotFound,
    MethodNotAllowed,
    TooLarge,
    /// The body did not come in in time.
    TooSlow,
    TooMany,
    Internal,
    /// Token missing, unknown or expired.
    Token,
    /// The appid or its key is not authorized.
    App,
    LicenceEnded,
    /// The client's address is not on the company's allow-list.
    Address,
}

impl Ret {
    pub const fn number(self) -> u16 {
        match self {
            Ret::BadRequest | Ret::TooSlow => 400,
            Ret::NotFound => 404,
            Ret::MethodNotAllowed => 405,
            Ret::TooLarge => 413,
            Ret::TooMany => 429,
            Ret::Internal => 500,
            Ret::Token => 600,
            Ret::App => 601,
            Ret::LicenceEnded => 602,
            Ret::Address => 604,
        }
    }

    /// What `msg` says where there is no more to tell.
    pub const fn text(self) -> Text {
        match self {
            Ret::BadRequest => Text::new("非法请求", "Bad request"),
            Ret::NotFound => Text::new("非法请求：路径不存在", "Bad request: no such path"),
            Ret::MethodNotAllowed => {
                Text::new("非法请求：仅支持POST和GET", "Bad request: only POST and GET are supported")
            }
            Ret::TooLarge => Text::new("请求内容过大", "Request body too large"),
            Ret::TooSlow => {
                Text::new("非法请求：请求内容未在时限内收完", "Bad request: its body did not come in in time")
            }
            Ret::TooMany => Text::new("请求过于频繁，请稍后再试", "Too many requests, try again later"),
            Ret::Internal => Text::new("服务器内部错误", "Internal server error"),
            Ret::Token => {
                Text::new("token无效或已过期，请重新登录", "Token missing, unknown or expired: log in again")
            }
            Ret::App => Text::new("appid未授权或密钥错误", "appid not authorized or wrong accesskey"),
            Ret::LicenceEnded => Text::new("授权已到期", "Authorization expired"),
            Ret::Address => Text::new("客户端地址未被允许", "Client address not allowed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_code_has_its_own_text() {
        let codes = [
            1001, 1002, 1003, 1010, 1011, 1012, 1013, 1014, 1015, 1019, 1020, 1021, 1024, 1029, 1031, 1032,
            1033, 1041, 1043, 1044, 1045,
        ];
        let texts: std::collections::BTreeSet<_> =
            codes.iter().map(|c| Code(*c).text().of(Language::Chinese)).collect();
        assert_eq!(texts.len(), codes.len());
        assert_eq!(Code::NO_TASK.text().of(Language::Chinese), "任务不存在");
    }
}
