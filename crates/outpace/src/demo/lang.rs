//! The demo speaks English and Chinese.

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Lang {
    En,
    Zh,
}

impl Lang {
    /// From the locale's variables, in their order of precedence (POSIX.1-2017, 8.2).
    pub fn of(mut variable: impl FnMut(&str) -> Option<String>) -> Lang {
        let locale = ["LC_ALL", "LC_MESSAGES", "LANG"]
            .into_iter()
            .find_map(|name| variable(name).filter(|value| !value.is_empty()));
        if locale.is_some_and(|locale| locale.to_ascii_lowercase().starts_with("zh")) {
            Lang::Zh
        } else {
            Lang::En
        }
    }

    pub fn say<'a>(self, en: &'a str, zh: &'a str) -> &'a str {
        match self {
            Lang::En => en,
            Lang::Zh => zh,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chinese_locale_speaks_chinese() {
        let with = |name: &'static str, value: &'static str| {
            Lang::of(move |asked| (asked == name).then(|| value.to_owned()))
        };
        assert_eq!(with("LANG", "zh_CN.UTF-8"), Lang::Zh);
        assert_eq!(with("LC_ALL", "en_US.UTF-8"), Lang::En);
        assert_eq!(with("HOME", "zh"), Lang::En);
        let over = |asked: &str| match asked {
            "LC_ALL" => Some("C".to_owned()),
            "LANG" => Some("zh_CN".to_owned()),
            _ => None,
        };
        assert_eq!(Lang::of(over), Lang::En);
    }
}
