//! The rules for tokens a second time: plain, slow, and with nothing of the crate in them.

/// What a verifier was told, and by whom a token may be signed.
pub(super) struct Rules {
    pub(super) keys: &'static [Key],
    pub(super) typ: Option<&'static str>,
    pub(super) issuer: Option<&'static str>,
    pub(super) audiences: &'static [&'static str],
    pub(super) max_age: Option<i64>,
    pub(super) required: Option<&'static str>,
    pub(super) requires_expiry: bool,
    pub(super) now: i64,
}

/// A key of the set, whose signatures are the only ones for their message.
pub(super) struct Key {
    pub(super) names: &'static [&'static str],
    pub(super) kid: Option<&'static str>,
    pub(super) sign: fn(&[u8]) -> Vec<u8>,
}

/// A JSON value, a number as it is written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

/// The members of an object, in their order.
pub(super) type Members = Vec<(String, Json)>;

const MAX_TOKEN_LEN: usize = 8192;
const MAX_DEPTH: usize = 64;
const LEEWAY: i64 = 30;

/// A token's three parts, decoded.
pub(super) struct Parts {
    pub(super) header: Members,
    pub(super) payload: Vec<u8>,
    /// The members of the payload, if it is an object.
    pub(super) claims: Option<Members>,
    pub(super) signature: Vec<u8>,
}

/// Reads the form of a token: its length, its parts, their text, a header that is a header.
pub(super) fn form(token: &str) -> Option<Parts> {
    let parts: Vec<_> = token.split('.').collect();
    let &[header, payload, signature] = parts.as_slice() else { return None };
    if token.len() > MAX_TOKEN_LEN {
        return None;
    }
    let header = object(std::str::from_utf8(&decode(header)?).ok()?)?;
    for (name, value) in &header {
        let string = matches!(value, Json::Text(_));
        if ["alg", "kid", "typ"].contains(&name.as_str()) && !string {
            return None;
        }
    }
    text(&header, "alg")?;
    let payload = decode(payload)?;
    let claims = std::str::from_utf8(&payload).ok().and_then(object);
    Some(Parts { header, payload, claims, signature: decode(signature)? })
}

/// Answers which key signed a token of this form, if that and all of its header are in order.
pub(super) fn signer(rules: &Rules, token: &str, parts: &Parts) -> Option<usize> {
    let (signed, _) = token.rsplit_once('.')?;
    let position = key(rules, &parts.header)?;
    ((rules.keys[position].sign)(signed.as_bytes()) == parts.signature).then_some(position)
}

/// Signs a text with the key that its header means, else with the first.
pub(super) fn sign(rules: &Rules, signed: &str) -> String {
    let header = signed.split('.').next().and_then(decode);
    let header = header.and_then(|bytes| object(std::str::from_utf8(&bytes).ok()?));
    let position = header.and_then(|header| key(rules, &header)).unwrap_or(0);
    let signature =
        rules.keys.get(position).map_or(Vec::new(), |key| (key.sign)(signed.as_bytes()));
    format!("{signed}.{}", super::encode(signature))
}

/// Which key a header means, if all of the header is in order.
fn key(rules: &Rules, header: &Members) -> Option<usize> {
    let named = |kid: Option<&str>| rules.keys.iter().position(|key| key.kid == kid);
    let position = match text(header, "kid") {
        Some(kid) => named(Some(kid)).or_else(|| named(None))?,
        None if rules.keys.len() == 1 => 0,
        None => return None,
    };
    let alg = text(header, "alg")?;
    let b64 = get(header, "b64").is_none_or(|b64| *b64 == Json::Bool(true));
    let bare = |typ: &str| typ.strip_prefix("application/").unwrap_or(typ).to_owned();
    let typ = match (text(header, "typ"), rules.typ) {
        (typ, None) => typ.is_none_or(|typ| typ.eq_ignore_ascii_case("JWT")),
        (typ, Some(expected)) => typ.map(bare) == Some(bare(expected)),
    };
    let good = rules.keys[position].names.contains(&alg) && get(header, "crit").is_none();
    (good && b64 && typ).then_some(position)
}

/// Whether claims are of their types, and such that a verifier may let them pass.
pub(super) fn pass(rules: &Rules, claims: &Members) -> bool {
    checked(rules, claims).unwrap_or(false)
}

fn checked(rules: &Rules, claims: &Members) -> Option<bool> {
    for name in ["iss", "sub", "jti"] {
        if get(claims, name).is_some() {
            text(claims, name)?;
        }
    }
    let audiences = audiences(claims)?;
    let fits = match (&audiences, rules.audiences) {
        (audiences, []) => audiences.is_none(),
        (None, _) => false,
        (Some(audiences), accepted) => {
            audiences.iter().any(|name| accepted.contains(&name.as_str()))
        }
    };
    let (exp, nbf, iat) = (time(claims, "exp")?, time(claims, "nbf")?, time(claims, "iat")?);
    let (now, later) = (rules.now, rules.now + LEEWAY);
    let lives = exp.map_or(!rules.requires_expiry, |exp| now < exp.saturating_add(LEEWAY));
    let begun = nbf.is_none_or(|nbf| nbf <= later);
    let young = match rules.max_age {
        None => true,
        Some(age) => iat.is_some_and(|iat| {
            iat <= later && now <= iat.saturating_add(age).saturating_add(LEEWAY)
        }),
    };
    let issuer = rules.issuer.is_none_or(|issuer| text(claims, "iss") == Some(issuer));
    let required = rules.required.is_none_or(|name| get(claims, name).is_some());
    Some(fits && lives && begun && young && issuer && required)
}

/// The audiences of claims, if there are any; `None` if they are of a wrong type.
pub(super) fn audiences(claims: &Members) -> Option<Option<Vec<String>>> {
    match get(claims, "aud") {
        None => Some(None),
        Some(Json::Text(one)) => Some(Some(vec![one.clone()])),
        Some(Json::Array(several)) => {
            let text = |name: &Json| match name {
                Json::Text(name) => Some(name.clone()),
                _ => None,
            };
            several.iter().map(text).collect::<Option<_>>().map(Some)
        }
        Some(_) => None,
    }
}

/// A time of claims, if it is there; `None` if it is none.
pub(super) fn time(claims: &Members, name: &str) -> Option<Option<i64>> {
    let number = match get(claims, name) {
        None => return Some(None),
        Some(Json::Number(number)) => number,
        Some(_) => return None,
    };
    if number.bytes().all(|byte| byte.is_ascii_digit()) {
        return number.parse().ok().map(Some);
    }
    let seconds: f64 = number.parse().ok()?;
    // Beyond it not every whole number is one of these.
    let exact = seconds >= 0.0 && seconds < 2_f64.powi(53);
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
    exact.then(|| Some(seconds.ceil() as i64))
}

pub(super) fn get<'m>(members: &'m Members, name: &str) -> Option<&'m Json> {
    members.iter().find(|(own, _)| own == name).map(|(_, value)| value)
}

pub(super) fn text<'m>(members: &'m Members, name: &str) -> Option<&'m str> {
    match get(members, name) {
        Some(Json::Text(text)) => Some(text),
        _ => None,
    }
}

/// Decodes canonical base64url.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for byte in text.bytes() {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count).ok()?);
            bits &= (1 << count) - 1;
        }
    }
    (count < 6 && bits == 0).then_some(bytes)
}

/// Reads a text as one JSON object without duplicate members.
pub(super) fn object(text: &str) -> Option<Members> {
    let mut reader = Reader(text);
    reader.blank();
    let value = reader.value(1)?;
    reader.blank();
    let Json::Object(members) = value else { return None };
    let mut names: Vec<_> = members.iter().map(|(name, _)| name).collect();
    names.sort();
    names.dedup();
    (reader.0.is_empty() && names.len() == members.len()).then_some(members)
}

/// What is left of a text.
struct Reader<'t>(&'t str);

impl Reader<'_> {
    fn blank(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn eat(&mut self, word: &str) -> bool {
        let rest = self.0.strip_prefix(word);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn next(&mut self) -> Option<char> {
        let mut rest = self.0.chars();
        let next = rest.next();
        self.0 = rest.as_str();
        next
    }

    fn value(&mut self, depth: usize) -> Option<Json> {
        match self.0.chars().next()? {
            '{' | '[' if depth > MAX_DEPTH => None,
            '{' => {
                let member = |reader: &mut Self| {
                    let name = reader.string()?;
                    reader.blank();
                    let colon = reader.eat(":");
                    reader.blank();
                    colon.then(|| Some((name, reader.value(depth + 1)?)))?
                };
                self.list("{", "}", member).map(Json::Object)
            }
            '[' => self.list("[", "]", |reader| reader.value(depth + 1)).map(Json::Array),
            '"' => self.string().map(Json::Text),
            '-' | '0'..='9' => self.number().map(Json::Number),
            _ if self.eat("null") => Some(Json::Null),
            _ if self.eat("true") => Some(Json::Bool(true)),
            _ if self.eat("false") => Some(Json::Bool(false)),
            _ => None,
        }
    }

    fn list<T>(
        &mut self,
        open: &str,
        close: &str,
        mut element: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let mut list = Vec::new();
        self.eat(open).then_some(())?;
        self.blank();
        if self.eat(close) {
            return Some(list);
        }
        loop {
            list.push(element(self)?);
            self.blank();
            if self.eat(close) {
                return Some(list);
            }
            self.eat(",").then_some(())?;
            self.blank();
        }
    }

    fn number(&mut self) -> Option<String> {
        let rest = self.0.trim_start_matches(|next: char| "+-.eE0123456789".contains(next));
        let (number, rest) = self.0.split_at(self.0.len() - rest.len());
        self.0 = rest;
        let digits =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let positive = number.strip_prefix('-').unwrap_or(number);
        let (mantissa, exponent) = match positive.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, Some(exponent)),
            None => (positive, None),
        };
        let exponent = exponent.map(|text| text.strip_prefix(['+', '-']).unwrap_or(text));
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (mantissa, None),
        };
        let good = digits(whole)
            && (whole == "0" || !whole.starts_with('0'))
            && fraction.is_none_or(digits)
            && exponent.is_none_or(digits);
        good.then(|| number.to_owned())
    }

    fn string(&mut self) -> Option<String> {
        self.eat("\"").then_some(())?;
        let mut string = String::new();
        loop {
            let character = match self.next()? {
                '"' => return Some(string),
                '\\' => self.escape()?,
                '\0'..='\x1f' => return None,
                character => character,
            };
            string.push(character);
        }
    }

    fn escape(&mut self) -> Option<char> {
        Some(match self.next()? {
            character @ ('"' | '\\' | '/') => character,
            'b' => '\x08',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let first = self.unit()?;
                let mut units = vec![first];
                if (0xD800..0xDC00).contains(&first) {
                    self.eat("\\u").then_some(())?;
                    units.push(self.unit()?);
                }
                match char::decode_utf16(units).collect::<Vec<_>>().as_slice() {
                    [Ok(character)] => *character,
                    _ => return None,
                }
            }
            _ => return None,
        })
    }

    fn unit(&mut self) -> Option<u16> {
        let mut unit = 0;
        for _ in 0..4 {
            unit = unit << 4 | u16::try_from(self.next()?.to_digit(16)?).ok()?;
        }
        Some(unit)
    }
}
