//! Time zones by telephone number, from the numbering plans (E.164 and NANP) and the zones of the IANA database. A prefix
//! that covers several zones names them all; of zones that show the same time one is enough.

/// Comma-separated IANA names for a number in international form, digits only. None: it is no country's.
pub(super) fn zones_of(international: &str) -> Option<&'static str> {
    if let Some(national) = international.strip_prefix('1') {
        return Some(north_american(national));
    }
    let fits = |entry: &&(&str, &str)| international.starts_with(entry.0);
    COUNTRIES.iter().filter(fits).max_by_key(|entry| entry.0.len()).map(|entry| entry.1)
}

/// The calling code of the country in which a zone lies, when it is only one.
pub(super) fn country_of(zone: &str) -> Option<&'static str> {
    let has = |zones: &str| zones.split(',').any(|z| z == zone);
    if NORTH_AMERICA.iter().any(|(zones, _)| has(zones)) {
        return Some("1");
    }
    let mut found = COUNTRIES.iter().filter(|entry| has(entry.1)).map(|entry| entry.0);
    let first = found.next()?;
    found.all(|code| code.starts_with(first)).then_some(first)
}

fn north_american(national: &str) -> &'static str {
    let area = national.get(..3).and_then(|area| area.parse::<u16>().ok()).unwrap_or(0);
    let found = NORTH_AMERICA.iter().find(|(_, areas)| areas.contains(&area));
    found.map_or(ALL_STATES, |(zones, _)| zones)
}

/// For toll-free and premium numbers, and for area codes newer than the table: every zone of the fifty states.
const ALL_STATES: &str = "America/New_York,America/Chicago,America/Denver,America/Phoenix,America/Los_Angeles,\
    America/Anchorage,America/Adak,Pacific/Honolulu";

/// Area codes of the North American Numbering Plan.
#[rustfmt::skip]
const NORTH_AMERICA: &[(&str, &[u16])] = &[
    ("America/New_York", &[
        201, 202, 203, 207, 212, 215, 216, 220, 223, 227, 229, 231, 234, 239, 240, 248, 252, 260, 267,
        269, 272, 276, 283, 301, 302, 304, 305, 313, 315, 317, 321, 324, 326, 329, 330, 332, 336, 339,
        347, 351, 352, 363, 380, 386, 401, 404, 407, 410, 412, 413, 419, 434, 436, 440, 443, 445, 463,
        470, 472, 475, 478, 484, 502, 508, 513, 516, 517, 518, 540, 551, 561, 567, 570, 571, 582, 585,
        586, 603, 607, 609, 610, 614, 616, 617, 624, 631, 640, 645, 646, 656, 667, 678, 679, 680, 681,
        686, 689, 703, 704, 706, 716, 717, 718, 724, 727, 728, 732, 734, 740, 743, 754, 757, 762, 765,
        770, 771, 772, 774, 781, 786, 802, 803, 804, 810, 813, 814, 821, 826, 828, 835, 838, 839, 843,
        845, 848, 854, 856, 857, 859, 860, 862, 863, 864, 865, 878, 904, 908, 910, 912, 914, 917, 919,
        929, 934, 937, 941, 943, 947, 948, 954, 959, 973, 978, 980, 984, 989
    ]),
    ("America/New_York,America/Chicago", &[219, 270, 364, 423, 448, 574, 606, 812, 850, 906, 930]),
    ("America/Chicago", &[
        205, 210, 214, 217, 218, 224, 225, 228, 235, 251, 254, 256, 262, 274, 281, 309, 312, 314, 316,
        318, 319, 320, 325, 327, 331, 334, 337, 346, 353, 361, 402, 405, 409, 414, 417, 430, 447, 457,
        464, 469, 471, 479, 501, 504, 507, 512, 515, 531, 534, 539, 557, 563, 572, 573, 580, 601, 608,
        612, 615, 618, 629, 630, 636, 641, 651, 659, 660, 662, 682, 708, 712, 713, 715, 726, 730, 731,
        737, 763, 769, 773, 779, 806, 815, 816, 817, 830, 832, 847, 861, 870, 872, 901, 903, 913, 918,
        920, 924, 931, 936, 938, 940, 945, 952, 956, 972, 975, 979, 985
    ]),
    ("America/Chicago,America/Denver", &[308, 432, 605, 620, 701, 785, 915]),
    ("America/Denver", &[303, 307, 385, 406, 435, 505, 575, 719, 720, 748, 801, 970, 983]),
    ("America/Phoenix", &[480, 520, 602, 623]),
    ("America/Denver,America/Phoenix", &[928]),
    ("America/Denver,America/Los_Angeles", &[208, 458, 541, 775, 986]),
    ("America/Los_Angeles", &[
        206, 209, 213, 253, 279, 310, 323, 341, 350, 357, 360, 369, 408, 415, 424, 425, 442, 503, 509,
        510, 530, 559, 562, 564, 619, 626, 628, 650, 657, 661, 669, 702, 707, 714, 725, 738, 747, 760,
        805, 818, 820, 831, 837, 840, 858, 909, 916, 925, 949, 951, 971
    ]),
    ("America/Anchorage,America/Adak", &[907]),
    ("Pacific/Honolulu", &[808]),
    ("Pacific/Guam", &[671]),
    ("Pacific/Saipan", &[670]),
    ("Pacific/Pago_Pago", &[684]),
    ("America/Puerto_Rico", &[787, 939]),
    ("America/St_Thomas", &[340]),
    ("America/Toronto", &[
        226, 249, 263, 289, 343, 354, 365, 382, 387, 416, 437, 438, 450, 468, 514, 519, 548, 579, 613,
        647, 683, 705, 742, 753, 819, 873, 905, 942
    ]),
    ("America/Toronto,America/Winnipeg", &[807]),
    ("America/Toronto,America/Halifax,America/Blanc-Sablon", &[367, 418, 581]),
    ("America/Winnipeg", &[204, 431, 584]),
    ("America/Regina,America/Edmonton", &[306, 474, 639]),
    ("America/Edmonton", &[368, 403, 587, 780, 825]),
    ("America/Vancouver", &[604]),
    ("America/Vancouver,America/Edmonton,America/Dawson_Creek", &[236, 250, 257, 672, 778]),
    ("America/Moncton", &[428, 506]),
    ("America/Halifax", &[782, 902]),
    ("America/St_Johns,America/Goose_Bay", &[709, 879]),
    ("America/Whitehorse,America/Edmonton,America/Winnipeg,America/Toronto,America/Atikokan", &[867]),
    ("America/Nassau", &[242]),
    ("America/Barbados", &[246]),
    ("America/Anguilla", &[264]),
    ("America/Antigua", &[268]),
    ("America/Tortola", &[284]),
    ("America/Cayman", &[345]),
    ("Atlantic/Bermuda", &[441]),
    ("America/Grenada", &[473]),
    ("America/Grand_Turk", &[649]),
    ("America/Jamaica", &[658, 876]),
    ("America/Montserrat", &[664]),
    ("America/Lower_Princes", &[721]),
    ("America/St_Lucia", &[758]),
    ("America/Dominica", &[767]),
    ("America/St_Vincent", &[784]),
    ("America/Santo_Domingo", &[809, 829, 849]),
    ("America/Port_of_Spain", &[868]),
    ("America/St_Kitts", &[869]),
];

/// Calling codes of all other countries, and what is clear within one of several zones.
#[rustfmt::skip]
const COUNTRIES: &[(&str, &str)] = &[
    ("20", "Africa/Cairo"),
    ("211", "Africa/Juba"),
    ("212", "Africa/Casablanca"),
    ("213", "Africa/Algiers"),
    ("216", "Africa/Tunis"),
    ("218", "Africa/Tripoli"),
    ("220", "Africa/Banjul"),
    ("221", "Africa/Dakar"),
    ("222", "Africa/Nouakchott"),
    ("223", "Africa/Bamako"),
    ("224", "Africa/Conakry"),
    ("225", "Africa/Abidjan"),
    ("226", "Africa/Ouagadougou"),
    ("227", "Africa/Niamey"),
    ("228", "Africa/Lome"),
    ("229", "Africa/Porto-Novo"),
    ("230", "Indian/Mauritius"),
    ("231", "Africa/Monrovia"),
    ("232", "Africa/Freetown"),
    ("233", "Africa/Accra"),
    ("234", "Africa/Lagos"),
    ("235", "Africa/Ndjamena"),
    ("236", "Africa/Bangui"),
    ("237", "Africa/Douala"),
    ("238", "Atlantic/Cape_Verde"),
    ("239", "Africa/Sao_Tome"),
    ("240", "Africa/Malabo"),
    ("241", "Africa/Libreville"),
    ("242", "Africa/Brazzaville"),
    ("243", "Africa/Kinshasa,Africa/Lubumbashi"),
    ("244", "Africa/Luanda"),
    ("245", "Africa/Bissau"),
    ("246", "Indian/Chagos"),
    ("247", "Atlantic/St_Helena"),
    ("248", "Indian/Mahe"),
    ("249", "Africa/Khartoum"),
    ("250", "Africa/Kigali"),
    ("251", "Africa/Addis_Ababa"),
    ("252", "Africa/Mogadishu"),
    ("253", "Africa/Djibouti"),
    ("254", "Africa/Nairobi"),
    ("255", "Africa/Dar_es_Salaam"),
    ("256", "Africa/Kampala"),
    ("257", "Africa/Bujumbura"),
    ("258", "Africa/Maputo"),
    ("260", "Africa/Lusaka"),
    ("261", "Indian/Antananarivo"),
    ("262", "Indian/Reunion,Indian/Mayotte"),
    ("263", "Africa/Harare"),
    ("264", "Africa/Windhoek"),
    ("265", "Africa/Blantyre"),
    ("266", "Africa/Maseru"),
    ("267", "Africa/Gaborone"),
    ("268", "Africa/Mbabane"),
    ("269", "Indian/Comoro"),
    ("27", "Africa/Johannesburg"),
    ("290", "Atlantic/St_Helena"),
    ("291", "Africa/Asmara"),
    ("297", "America/Aruba"),
    ("298", "Atlantic/Faroe"),
    ("299", "America/Nuuk,America/Scoresbysund,America/Thule,America/Danmarkshavn"),
    ("30", "Europe/Athens"),
    ("31", "Europe/Amsterdam"),
    ("32", "Europe/Brussels"),
    ("33", "Europe/Paris"),
    ("34", "Europe/Madrid,Atlantic/Canary"),
    ("350", "Europe/Gibraltar"),
    ("351", "Europe/Lisbon,Atlantic/Azores"),
    ("352", "Europe/Luxembourg"),
    ("353", "Europe/Dublin"),
    ("354", "Atlantic/Reykjavik"),
    ("355", "Europe/Tirane"),
    ("356", "Europe/Malta"),
    ("357", "Asia/Nicosia"),
    ("358", "Europe/Helsinki"),
    ("359", "Europe/Sofia"),
    ("36", "Europe/Budapest"),
    ("370", "Europe/Vilnius"),
    ("371", "Europe/Riga"),
    ("372", "Europe/Tallinn"),
    ("373", "Europe/Chisinau"),
    ("374", "Asia/Yerevan"),
    ("375", "Europe/Minsk"),
    ("376", "Europe/Andorra"),
    ("377", "Europe/Monaco"),
    ("378", "Europe/San_Marino"),
    ("379", "Europe/Vatican"),
    ("380", "Europe/Kyiv"),
    ("381", "Europe/Belgrade"),
    ("382", "Europe/Podgorica"),
    ("383", "Europe/Belgrade"),
    ("385", "Europe/Zagreb"),
    ("386", "Europe/Ljubljana"),
    ("387", "Europe/Sarajevo"),
    ("389", "Europe/Skopje"),
    ("39", "Europe/Rome"),
    ("40", "Europe/Bucharest"),
    ("41", "Europe/Zurich"),
    ("420", "Europe/Prague"),
    ("421", "Europe/Bratislava"),
    ("423", "Europe/Vaduz"),
    ("43", "Europe/Vienna"),
    ("44", "Europe/London"),
    ("45", "Europe/Copenhagen"),
    ("46", "Europe/Stockholm"),
    ("47", "Europe/Oslo"),
    ("48", "Europe/Warsaw"),
    ("49", "Europe/Berlin"),
    ("500", "Atlantic/Stanley"),
    ("501", "America/Belize"),
    ("502", "America/Guatemala"),
    ("503", "America/El_Salvador"),
    ("504", "America/Tegucigalpa"),
    ("505", "America/Managua"),
    ("506", "America/Costa_Rica"),
    ("507", "America/Panama"),
    ("508", "America/Miquelon"),
    ("509", "America/Port-au-Prince"),
    ("51", "America/Lima"),
    ("52", "America/Mexico_City,America/Cancun,America/Chihuahua,America/Hermosillo,\
        America/Mazatlan,America/Tijuana,America/Ciudad_Juarez,America/Matamoros"),
    ("53", "America/Havana"),
    ("54", "America/Argentina/Buenos_Aires"),
    ("55", "America/Sao_Paulo,America/Noronha,America/Manaus,America/Rio_Branco"),
    ("56", "America/Santiago,America/Punta_Arenas,America/Coyhaique,Pacific/Easter"),
    ("57", "America/Bogota"),
    ("58", "America/Caracas"),
    ("590", "America/Guadeloupe"),
    ("591", "America/La_Paz"),
    ("592", "America/Guyana"),
    ("593", "America/Guayaquil,Pacific/Galapagos"),
    ("594", "America/Cayenne"),
    ("595", "America/Asuncion"),
    ("596", "America/Martinique"),
    ("597", "America/Paramaribo"),
    ("598", "America/Montevideo"),
    ("599", "America/Curacao"),
    ("60", "Asia/Kuala_Lumpur"),
    ("61", "Australia/Sydney,Australia/Brisbane,Australia/Adelaide,Australia/Darwin,\
        Australia/Perth,Australia/Eucla,Australia/Lord_Howe"),
    ("61891", "Australia/Adelaide,Australia/Perth,Indian/Christmas,Indian/Cocos"),
    ("62", "Asia/Jakarta,Asia/Makassar,Asia/Jayapura"),
    ("63", "Asia/Manila"),
    ("64", "Pacific/Auckland,Pacific/Chatham"),
    ("65", "Asia/Singapore"),
    ("66", "Asia/Bangkok"),
    ("670", "Asia/Dili"),
    ("672", "Pacific/Norfolk,Antarctica/Casey,Antarctica/Davis,Antarctica/Mawson,Antarctica/Macquarie"),
    ("673", "Asia/Brunei"),
    ("674", "Pacific/Nauru"),
    ("675", "Pacific/Port_Moresby,Pacific/Bougainville"),
    ("676", "Pacific/Tongatapu"),
    ("677", "Pacific/Guadalcanal"),
    ("678", "Pacific/Efate"),
    ("679", "Pacific/Fiji"),
    ("680", "Pacific/Palau"),
    ("681", "Pacific/Wallis"),
    ("682", "Pacific/Rarotonga"),
    ("683", "Pacific/Niue"),
    ("685", "Pacific/Apia"),
    ("686", "Pacific/Tarawa,Pacific/Kanton,Pacific/Kiritimati"),
    ("687", "Pacific/Noumea"),
    ("688", "Pacific/Funafuti"),
    ("689", "Pacific/Tahiti,Pacific/Marquesas,Pacific/Gambier"),
    ("690", "Pacific/Fakaofo"),
    ("691", "Pacific/Chuuk,Pacific/Pohnpei"),
    ("692", "Pacific/Majuro"),
    ("7", "Europe/Kaliningrad,Europe/Moscow,Europe/Samara,Asia/Yekaterinburg,Asia/Omsk,Asia/Krasnoyarsk,\
        Asia/Irkutsk,Asia/Yakutsk,Asia/Vladivostok,Asia/Magadan,Asia/Kamchatka"),
    ("76", "Asia/Almaty"),
    ("77", "Asia/Almaty"),
    ("7401", "Europe/Kaliningrad"),
    ("7495", "Europe/Moscow"),
    ("7498", "Europe/Moscow"),
    ("7499", "Europe/Moscow"),
    ("7812", "Europe/Moscow"),
    ("81", "Asia/Tokyo"),
    ("82", "Asia/Seoul"),
    ("84", "Asia/Ho_Chi_Minh"),
    ("850", "Asia/Pyongyang"),
    ("852", "Asia/Hong_Kong"),
    ("853", "Asia/Macau"),
    ("855", "Asia/Phnom_Penh"),
    ("856", "Asia/Vientiane"),
    ("86", "Asia/Shanghai"),
    ("880", "Asia/Dhaka"),
    ("886", "Asia/Taipei"),
    ("90", "Europe/Istanbul"),
    ("91", "Asia/Kolkata"),
    ("92", "Asia/Karachi"),
    ("93", "Asia/Kabul"),
    ("94", "Asia/Colombo"),
    ("95", "Asia/Yangon"),
    ("960", "Indian/Maldives"),
    ("961", "Asia/Beirut"),
    ("962", "Asia/Amman"),
    ("963", "Asia/Damascus"),
    ("964", "Asia/Baghdad"),
    ("965", "Asia/Kuwait"),
    ("966", "Asia/Riyadh"),
    ("967", "Asia/Aden"),
    ("968", "Asia/Muscat"),
    ("970", "Asia/Gaza,Asia/Hebron"),
    ("971", "Asia/Dubai"),
    ("972", "Asia/Jerusalem"),
    ("973", "Asia/Bahrain"),
    ("974", "Asia/Qatar"),
    ("975", "Asia/Thimphu"),
    ("976", "Asia/Ulaanbaatar,Asia/Hovd"),
    ("977", "Asia/Kathmandu"),
    ("98", "Asia/Tehran"),
    ("992", "Asia/Dushanbe"),
    ("993", "Asia/Ashgabat"),
    ("994", "Asia/Baku"),
    ("995", "Asia/Tbilisi"),
    ("996", "Asia/Bishkek"),
    ("998", "Asia/Tashkent"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_zone_of_the_tables_is_one() {
        let db = jiff::tz::TimeZoneDatabase::bundled();
        let all = NORTH_AMERICA.iter().map(|e| e.0).chain(COUNTRIES.iter().map(|e| e.1)).chain([ALL_STATES]);
        for zone in all.flat_map(|zones| zones.split(',')) {
            assert!(db.get(zone).is_ok(), "{zone}");
        }
    }

    #[test]
    fn an_area_code_stands_in_the_table_once() {
        let mut areas: Vec<u16> = NORTH_AMERICA.iter().flat_map(|e| e.1).copied().collect();
        let count = areas.len();
        areas.sort_unstable();
        areas.dedup();
        assert_eq!(areas.len(), count);
        assert!(areas.iter().all(|a| (201..990).contains(a)));
    }

    #[test]
    fn a_number_lies_where_its_longest_prefix_says() {
        for (number, zones) in [
            ("8613800138000", "Asia/Shanghai"),
            ("85212345678", "Asia/Hong_Kong"),
            ("447700900123", "Europe/London"),
            ("12125550100", "America/New_York"),
            ("18085550100", "Pacific/Honolulu"),
            ("15415550100", "America/Denver,America/Los_Angeles"),
            ("18005550100", ALL_STATES),
            ("77012345678", "Asia/Almaty"),
            ("74951234567", "Europe/Moscow"),
            ("34911234567", "Europe/Madrid,Atlantic/Canary"),
        ] {
            assert_eq!(zones_of(number), Some(zones), "{number}");
        }
        for nowhere in ["80012345678", "87012345678", "99912345", "", "0"] {
            assert_eq!(zones_of(nowhere), None, "{nowhere}");
        }
    }

    #[test]
    fn a_zone_tells_its_country_when_there_is_one() {
        for (zone, country) in [
            ("Asia/Shanghai", Some("86")),
            ("America/Chicago", Some("1")),
            ("Europe/London", Some("44")),
            ("Asia/Almaty", None),
            ("UTC", None),
        ] {
            assert_eq!(country_of(zone), country, "{zone}");
        }
    }
}
