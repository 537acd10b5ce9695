//! Tokens, good and bad, of every kind of issuer.

use jsonwebtoken::{Algorithm, Header};
use pact_xtask::issuer::{AUDIENCE, Provider, Signs};
use proptest::prelude::*;
use serde_json::json;

use super::*;

const NAME: &str = "https://id.example.org";
const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

fn issuer(provider: &Provider, algorithm: SigningAlgorithm) -> Issuer {
    Issuer::new(&provider.name, AUDIENCE, algorithm, provider.jwks().unwrap().as_bytes()).unwrap()
}

fn issuers(issuer: Issuer) -> Issuers {
    let mut all = Issuers::default();
    all.add(issuer).unwrap();
    all
}

fn now() -> Timestamp {
    Timestamp::now()
}

#[test]
fn a_good_token_says_who_it_is() {
    for (algorithm, ours) in [
        (Signs::Rs256, SigningAlgorithm::Rs256),
        (Signs::Es256, SigningAlgorithm::Es256),
        (Signs::EdDsa, SigningAlgorithm::EdDsa),
    ] {
        let provider = Provider::new(NAME, algorithm).unwrap();
        let token = provider.token("alice@example.org", &["pact-ops-ml", "somebody-else's", "pact-viewer-x"]).unwrap();
        let bearer = issuers(issuer(&provider, ours)).accept(&token, now()).unwrap();
        assert_eq!(bearer.principal.as_str(), "alice@example.org", "{algorithm:?}");
        let roles: Vec<_> = bearer.roles.iter().map(ToString::to_string).collect();
        assert_eq!(roles, ["pact-ops-ml", "pact-viewer-x"]);
        assert!(bearer.issued < now() && bearer.expires > now());
    }
    let provider = Provider::shared("dev", SECRET);
    let key = Development { issuer: "dev", audience: AUDIENCE, secret: SECRET };
    let accepted = issuers(Issuer::development(&key).unwrap()).accept(&provider.token("bob", &[]).unwrap(), now());
    assert_eq!(accepted.unwrap().principal.as_str(), "bob");
}

#[test]
fn claims_are_named_by_the_configuration() {
    let provider = Provider::new(NAME, Signs::EdDsa).unwrap();
    let all = issuers(issuer(&provider, SigningAlgorithm::EdDsa).claims("email", "groups"));
    let mut claims = provider.claims("4711", &["pact-platform-admin"]);
    claims["email"] = json!("carol@example.org");
    claims["groups"] = json!("staff pact-ops-ml");
    let bearer = all.accept(&provider.sign(&claims).unwrap(), now()).unwrap();
    assert_eq!(bearer.principal.as_str(), "carol@example.org");
    assert_eq!(bearer.roles.iter().map(ToString::to_string).collect::<Vec<_>>(), ["pact-ops-ml"]);
}

type Change = fn(&mut Value);

#[test]
fn a_claim_that_is_not_as_it_must_be_is_named() {
    let provider = Provider::new(NAME, Signs::Es256).unwrap();
    let all = issuers(issuer(&provider, SigningAlgorithm::Es256));
    let claim = |name: &str| TokenFault::Claim(name.to_owned());
    let at = |seconds: i64| Timestamp::from_second(seconds).unwrap();
    let cases: [(Change, TokenFault); 20] = [
        (|c| c["iat"] = json!(4_000_000_000u64), TokenFault::NotYet(at(4_000_000_000))),
        (|c| c["exp"] = json!(1_000_000), TokenFault::Expired(at(1_000_000))),
        (|c| c["exp"] = json!(1_000_000.5), TokenFault::Expired(at(1_000_000))),
        (|c| c["nbf"] = json!(4_000_000_000u64), TokenFault::NotYet(at(4_000_000_000))),
        (|c| c["exp"] = json!("4000000000"), claim("exp")),
        (|c| c["exp"] = Value::Null, claim("exp")),
        (|c| c["exp"] = json!(-1e300), claim("exp")),
        (|c| c["nbf"] = json!("soon"), claim("nbf")),
        (|c| c["iat"] = json!([]), claim("iat")),
        (|c| drop(c.as_object_mut().unwrap().remove("exp")), claim("exp")),
        (|c| drop(c.as_object_mut().unwrap().remove("iss")), claim("iss")),
        (|c| drop(c.as_object_mut().unwrap().remove("sub")), claim("sub")),
        (|c| c["sub"] = json!("two words"), claim("sub")),
        (|c| c["sub"] = json!("unix:root@node042"), claim("sub")),
        (|c| c["sub"] = json!("PACT://node/node042"), claim("sub")),
        (|c| c["aud"] = json!("another"), TokenFault::Audience),
        (|c| c["aud"] = json!([]), TokenFault::Audience),
        (|c| drop(c.as_object_mut().unwrap().remove("aud")), TokenFault::Audience),
        (|c| c["iss"] = json!("https://evil.example"), TokenFault::UnknownIssuer("https://evil.example".into())),
        (|c| c["iss"] = json!([NAME, "x"]), claim("iss")),
    ];
    for (change, expected) in cases {
        let mut claims = provider.claims("alice@example.org", &[]);
        change(&mut claims);
        let token = provider.sign(&claims).unwrap();
        assert_eq!(all.accept(&token, now()), Err(expected), "{claims}");
    }
}

/// A clock that is off by less than a minute hurts nobody, and no more.
#[test]
fn the_leeway_is_a_minute() {
    let provider = Provider::new(NAME, Signs::EdDsa).unwrap();
    let all = issuers(issuer(&provider, SigningAlgorithm::EdDsa));
    let mut claims = provider.claims("alice@example.org", &[]);
    (claims["iat"], claims["nbf"], claims["exp"]) = (json!(1_000_000), json!(1_000_000), json!(1_000_100));
    let token = provider.sign(&claims).unwrap();
    for (second, is_fine) in
        [(999_939, false), (999_940, true), (1_000_000, true), (1_000_159, true), (1_000_160, false)]
    {
        let accepted = all.accept(&token, Timestamp::from_second(second).unwrap());
        assert_eq!(accepted.is_ok(), is_fine, "{second}: {accepted:?}");
    }
}

#[test]
fn another_algorithm_or_another_key_is_nobody() {
    let provider = Provider::new(NAME, Signs::Rs256).unwrap();
    let all = issuers(issuer(&provider, SigningAlgorithm::Rs256));
    let claims = provider.claims("mallory@example.org", &["pact-platform-admin"]);
    let check = |token: &str, expected: &str| {
        let fault = all.accept(token, now()).unwrap_err().to_string();
        assert!(fault.contains(expected), "{token}: {fault}");
    };
    // The public key, which everybody has, as the secret of an HMAC.
    for public in [provider.jwks().unwrap(), serde_json::to_string(&provider.public().unwrap()).unwrap()] {
        let forged = Provider::shared(NAME, public.as_bytes());
        check(&forged.sign(&claims).unwrap(), "it says HS256");
    }
    let other = Provider::new(NAME, Signs::Rs256).unwrap();
    check(&other.sign(&claims).unwrap(), "its signature is not good");
    let mut header = provider.header();
    header.kid = Some("another".to_owned());
    check(&provider.sign_as(&header, &claims).unwrap(), "no key \"another\"");
    let elliptic = Provider::new(NAME, Signs::Es256).unwrap();
    check(&elliptic.sign(&claims).unwrap(), "it says ES256");
    let part = |json: &str| {
        const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut out = String::new();
        for chunk in json.as_bytes().chunks(3) {
            let bits = chunk.iter().enumerate().fold(0u32, |bits, (at, byte)| bits | u32::from(*byte) << (16 - 8 * at));
            out.extend((0..=chunk.len()).map(|at| char::from(LETTERS[(bits >> (18 - 6 * at) & 63) as usize])));
        }
        out
    };
    for none in ["none", "None", "NONE"] {
        let header = part(&format!("{{\"alg\":\"{none}\",\"typ\":\"JWT\"}}"));
        check(&format!("{header}.{}.", part(&claims.to_string())), "it cannot be read");
    }
    // What a good one says, changed afterwards.
    let good = provider.sign(&provider.claims("alice@example.org", &[])).unwrap();
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (head, _) = signed.split_once('.').unwrap();
    check(&format!("{head}.{}.{signature}", part(&claims.to_string())), "its signature is not good");
    check(&format!("{signed}."), "its signature is not good");
}

#[test]
fn two_keys_must_be_told_apart() {
    let [first, second] = [0, 1].map(|_| Provider::new(NAME, Signs::Es256).unwrap());
    let named = |provider: &Provider, kid: &str| {
        let mut key = provider.public().unwrap();
        key.common.key_id = Some(kid.to_owned());
        key
    };
    let set = json!({ "keys": [named(&first, "a"), named(&second, "b")] }).to_string();
    let all = issuers(Issuer::new(NAME, AUDIENCE, SigningAlgorithm::Es256, set.as_bytes()).unwrap());
    let claims = first.claims("alice@example.org", &[]);
    let token = |provider: &Provider, kid: Option<&str>| {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = kid.map(str::to_owned);
        provider.sign_as(&header, &claims).unwrap()
    };
    assert!(all.accept(&token(&first, Some("a")), now()).is_ok());
    assert!(all.accept(&token(&second, Some("b")), now()).is_ok());
    assert_eq!(all.accept(&token(&first, Some("b")), now()), Err(TokenFault::Signature));
    assert_eq!(all.accept(&token(&first, None), now()), Err(TokenFault::WhichKey(NAME.to_owned())));
}

#[test]
fn an_issuer_without_a_key_of_its_kind_is_none() {
    let provider = Provider::new(NAME, Signs::Es256).unwrap();
    let jwks = provider.jwks().unwrap();
    let made = |jwks: &str, algorithm| Issuer::new(NAME, AUDIENCE, algorithm, jwks.as_bytes()).err();
    assert_eq!(made(&jwks, SigningAlgorithm::Rs256), Some(BadIssuer::NoKey("RS256")));
    assert_eq!(made(&jwks, SigningAlgorithm::EdDsa), Some(BadIssuer::NoKey("EdDSA")));
    assert_eq!(made("{\"keys\":[]}", SigningAlgorithm::Es256), Some(BadIssuer::NoKey("ES256")));
    assert!(matches!(made("no", SigningAlgorithm::Es256), Some(BadIssuer::Keys(_))));
    let for_encryption = jwks.replacen('{', "{\"x\":0,", 1).replace("\"kty\"", "\"use\":\"enc\",\"kty\"");
    assert_eq!(made(&for_encryption, SigningAlgorithm::Es256), Some(BadIssuer::NoKey("ES256")));
    let short = Development { issuer: "dev", audience: AUDIENCE, secret: &SECRET[1..] };
    assert_eq!(Issuer::development(&short).err(), Some(BadIssuer::Short(31)));
    let mut twice = issuers(issuer(&provider, SigningAlgorithm::Es256));
    let again = issuer(&provider, SigningAlgorithm::Es256);
    assert_eq!(twice.add(again), Err(BadIssuer::Twice(NAME.to_owned())));
}

proptest! {
    #[test]
    fn nothing_else_is_a_token(text in "[A-Za-z0-9_.=-]{0,200}|\\PC{0,60}", cut in 0usize..600, flip in 0usize..600) {
        let provider = Provider::shared("dev", SECRET);
        let key = Development { issuer: "dev", audience: AUDIENCE, secret: SECRET };
        let all = issuers(Issuer::development(&key).unwrap());
        prop_assert!(all.accept(&text, now()).is_err());
        let good = provider.token("alice@example.org", &[]).unwrap();
        prop_assert!(all.accept(&good[..cut % good.len()], now()).is_err());
        let mut bytes = good.clone().into_bytes();
        let at = flip % (bytes.len() - 1);
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        prop_assert!(all.accept(&String::from_utf8(bytes).unwrap(), now()).is_err());
    }
}

#[test]
fn a_long_one_is_not_looked_at() {
    let all = Issuers::default();
    assert!(all.is_empty());
    assert_eq!(all.accept("", now()), Err(TokenFault::Missing));
    assert_eq!(all.accept(&"x".repeat(LONGEST + 1), now()), Err(TokenFault::TooLong(LONGEST + 1)));
}
