package tokens_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessiond/sessiond/tokens"
)

// exampleToken is the one in the API's documentation. Its key is not ours.
const exampleToken = "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJuYW1lIjoiVGhlIGV4YW1wbGUgdG9rZW4gZm9yIGRvY3MuYWxla2VhZ2xlLm1lIiwic3ViIjoiMTY0NzAxNTAyODYyNiIsImlhdCI6MTY4NzA2NzYxNCwiZXhwIjoyMDAyNjQzNjE0fQ.qAwhjhtGT56iAI52EsdVYcaTjmLPeR51TALkJ1CwRlfyDHwrsOTzAe8Y3za_tJqkvSaohwQq4cD7lZbTzMSw8Q"

func TestVerifyAccepts(t *testing.T) {
	t.Parallel()
	ours := tokens.Claims{
		UserID: user, SessionID: session,
		IssuedAt: time.Unix(1767323045, 0).UTC(), ExpiresAt: time.Unix(1767409445, 0).UTC(),
	}
	old := tokens.Claims{
		UserID: user, SessionID: "1687067614",
		IssuedAt: time.Unix(1687067614, 0).UTC(), ExpiresAt: time.Unix(2002643614, 0).UTC(),
	}
	current, older, legacy := testKey(t, currentKID), testKey(t, olderKID), testKey(t, legacyKID)
	withIssuer := tokens.VerifierOptions{Issuer: "sessiond", LegacyKeyID: legacyKID}
	withLegacy := tokens.VerifierOptions{LegacyKeyID: legacyKID}

	tests := []struct {
		name    string
		options tokens.VerifierOptions
		token   string
		want    tokens.Claims
	}{
		{"of the current key", tokens.VerifierOptions{}, mint(t, current, goodHeader, goodClaims), ours},
		{"of an older key", tokens.VerifierOptions{}, mint(t, older, replace(t, goodHeader, currentKID, olderKID), goodClaims), ours},
		{
			"with claims that nobody knows",
			tokens.VerifierOptions{},
			mint(t, current, goodHeader, replace(t, goodClaims, `{`, `{"name":"x","roles":["a",{"b":1}],"jti":null,`)), ours,
		},
		{"with an issuer that nobody asks for", tokens.VerifierOptions{}, mint(t, current, goodHeader, replace(t, goodClaims, `{`, `{"iss":5,`)), ours},
		{"with the right issuer", withIssuer, mint(t, current, goodHeader, replace(t, goodClaims, `{`, `{"iss":"sessiond",`)), ours},
		{"with an nbf that has come", tokens.VerifierOptions{}, mint(t, current, goodHeader, replace(t, goodClaims, `{`, `{"nbf":1767323100,`)), ours},
		{"with parts of a second", tokens.VerifierOptions{}, mint(t, current, goodHeader, replace(t, goodClaims, `1767409445`, `1767409445.75`)), ours},
		{"with white space in its JSON", tokens.VerifierOptions{}, mint(t, current, " "+goodHeader+"\n", "\t"+goodClaims), ours},
		{"of the older system", withLegacy, mint(t, legacy, oldHeader, oldClaims), old},
		{"of the older system, without issuer", withIssuer, mint(t, legacy, oldHeader, oldClaims), old},
		{
			"of the older system, naming its key", withLegacy,
			mint(t, legacy, replace(t, oldHeader, `{`, `{"kid":"legacy",`), oldClaims), old,
		},
		{"of the older system, with a session ID", withLegacy, mint(t, legacy, oldHeader, goodClaims), ours},
		{"as long as can be", tokens.VerifierOptions{}, tokenOfLength(t, tokens.MaxLength), ours},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v := verifier(t, tt.options)
			for _, use := range []string{"first", "remembered"} {
				got, err := v.Verify(tt.token)
				if err != nil {
					t.Fatalf("%s use: %v", use, err)
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("%s use: claims (-want +got):\n%s", use, diff)
				}
			}
		})
	}
}

// Each token here is right but for one thing.
func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	current, legacy := testKey(t, currentKID), testKey(t, legacyKID)
	good := mint(t, current, goodHeader, goodClaims)
	parts := strings.Split(good, ".")

	header := func(before, after string) string {
		return mint(t, current, replace(t, goodHeader, before, after), goodClaims)
	}
	claims := func(before, after string) string {
		return mint(t, current, goodHeader, replace(t, goodClaims, before, after))
	}
	oldToken := func(before, after string) string {
		return mint(t, legacy, oldHeader, replace(t, oldClaims, before, after))
	}
	with := func(member string) (before, after string) { return `{`, `{` + member + `,` }

	tests := []struct {
		name  string
		token string
		want  error
	}{
		// Form.
		{"empty", "", tokens.ErrMalformed},
		{"one byte too long", tokenOfLength(t, tokens.MaxLength+1), tokens.ErrMalformed},
		{"two parts", parts[0] + "." + parts[1], tokens.ErrMalformed},
		{"four parts", good + ".", tokens.ErrMalformed},
		{"empty parts", "..", tokens.ErrHeader},
		{"leading space", " " + good, tokens.ErrMalformed},
		{"trailing space", good + " ", tokens.ErrMalformed},
		{"trailing line end", good + "\n", tokens.ErrMalformed},
		{"line end within", good[:40] + "\r\n" + good[40:], tokens.ErrMalformed},
		{"line end within the signed text", signText(t, current, parts[0]+"."+parts[1][:8]+"\n"+parts[1][8:]), tokens.ErrMalformed},
		{"padding on the signature", good + "==", tokens.ErrMalformed},
		{"padding in the header", signText(t, current, base64.URLEncoding.EncodeToString([]byte(goodHeader+"  "))+"."+parts[1]), tokens.ErrMalformed},
		{"standard base64 alphabet", strings.NewReplacer("-", "+", "_", "/").Replace(good), tokens.ErrMalformed},
		{"spare bits in the last character", spareBits(t, good), tokens.ErrMalformed},
		{"spare bits in the header", signText(t, current, spareBits(t, encode(goodHeader+"  "))+"."+parts[1]), tokens.ErrMalformed},
		{"not ASCII", good[:len(good)-1] + "\u0130", tokens.ErrMalformed},

		// Algorithms.
		{"alg none, unsigned", encode(replace(t, goodHeader, "ES256", "none")) + "." + parts[1] + ".", tokens.ErrHeader},
		{"alg None, signed", header("ES256", "None"), tokens.ErrHeader},
		{"alg HS256, signed with the public key in PEM", signHS256(t, current, pemPublic), tokens.ErrHeader},
		{"alg HS256, signed with the public key in DER", signHS256(t, current, derPublic), tokens.ErrHeader},
		{"alg ES384, signed with ES384", signES384(t), tokens.ErrHeader},
		{"alg ES384, signed with ES256", header("ES256", "ES384"), tokens.ErrHeader},
		{"alg RS256", header("ES256", "RS256"), tokens.ErrHeader},
		{"alg in lower case", header("ES256", "es256"), tokens.ErrHeader},
		{"alg null", header(`"ES256"`, `null`), tokens.ErrHeader},
		{"alg a list", header(`"ES256"`, `["ES256"]`), tokens.ErrHeader},
		{"no alg", header(`"alg":"ES256",`, ``), tokens.ErrHeader},

		// Header.
		{"header null", mint(t, current, `null`, goodClaims), tokens.ErrHeader},
		{"header a list", mint(t, current, `[]`, goodClaims), tokens.ErrHeader},
		{"header with junk behind it", mint(t, current, goodHeader+"{}", goodClaims), tokens.ErrHeader},
		{"header with broken UTF-8", header(with("\"\xff\":1")), tokens.ErrHeader},
		{"typ at+jwt", header(`"JWT"`, `"at+jwt"`), tokens.ErrHeader},
		{"typ in lower case", header(`"JWT"`, `"jwt"`), tokens.ErrHeader},
		{"no typ", header(`,"typ":"JWT"`, ``), tokens.ErrHeader},
		{"crit", header(with(`"crit":["exp"]`)), tokens.ErrHeader},
		{"empty crit", header(with(`"crit":[]`)), tokens.ErrHeader},
		{"b64 false", header(with(`"b64":false`)), tokens.ErrHeader},
		{"b64 false and crit", header(with(`"crit":["b64"],"b64":false`)), tokens.ErrHeader},
		{"a key of its own", header(with(`"jwk":{}`)), tokens.ErrHeader},
		{"an address of keys", header(with(`"jku":"https://example.com/keys"`)), tokens.ErrHeader},
		{"alg twice", header(with(`"alg":"none"`)), tokens.ErrHeader},
		{"alg twice, once escaped", header(with(`"\u0061lg":"ES256"`)), tokens.ErrHeader},
		{"kid twice", header(with(`"kid":"legacy"`)), tokens.ErrHeader},
		{"alg in capitals", header(`"alg"`, `"ALG"`), tokens.ErrHeader},
		{"alg in capitals as well", header(with(`"ALG":"ES256"`)), tokens.ErrHeader},
		{"kid in capitals", mint(t, legacy, replace(t, goodHeader, `"kid"`, `"Kid"`), goodClaims), tokens.ErrHeader},

		// Keys.
		{"foreign kid", header(currentKID, "20990101T000000.000Z"), tokens.ErrUnknownKey},
		{"empty kid", header(currentKID, ""), tokens.ErrUnknownKey},
		{"kid null", mint(t, legacy, replace(t, goodHeader, `"`+currentKID+`"`, `null`), goodClaims), tokens.ErrHeader},
		{"kid a number", header(`"`+currentKID+`"`, `1`), tokens.ErrHeader},
		{"kid a path", header(currentKID, "../keys/"+currentKID), tokens.ErrUnknownKey},
		{"kid a file name", header(currentKID, currentKID+".pem"), tokens.ErrUnknownKey},
		{"kid with a NUL", header(currentKID, currentKID+`\u0000`), tokens.ErrUnknownKey},
		{"kid of another key", header(currentKID, olderKID), tokens.ErrSignature},
		{"no kid, signed with the current key", header(`"kid":"`+currentKID+`",`, ``), tokens.ErrSignature},
		{"the documented example, another's key", exampleToken, tokens.ErrSignature},

		// Signatures.
		{"no signature", parts[0] + "." + parts[1] + ".", tokens.ErrSignature},
		{"signature of zeros", parts[0] + "." + parts[1] + "." + encode(strings.Repeat("\x00", 64)), tokens.ErrSignature},
		{"signature a byte short", parts[0] + "." + parts[1] + "." + encode(rawSignature(t, good)[:63]), tokens.ErrSignature},
		{"signature a byte long", parts[0] + "." + parts[1] + "." + encode(rawSignature(t, good)+"\x00"), tokens.ErrSignature},
		{"signature in DER", derSigned(t, current, parts[0]+"."+parts[1]), tokens.ErrSignature},
		{"claims of another token", parts[0] + "." + encode(replace(t, goodClaims, user, "1647015028627")) + "." + parts[2], tokens.ErrSignature},
		{"one bit of the signature", flipBit(t, good), tokens.ErrSignature},

		// Claims.
		{"claims null", mint(t, current, goodHeader, `null`), tokens.ErrClaims},
		{"claims a list", mint(t, current, goodHeader, `[]`), tokens.ErrClaims},
		{"claims empty", mint(t, current, goodHeader, ``), tokens.ErrClaims},
		{"claims with a second object behind them", mint(t, current, goodHeader, goodClaims+goodClaims), tokens.ErrClaims},
		{"claims with a lone surrogate", claims(with(`"name":"\ud800"`)), tokens.ErrClaims},
		{"no sub", claims(`"sub":"`+user+`",`, ``), tokens.ErrClaims},
		{"sub a number", claims(`"`+user+`"`, user), tokens.ErrClaims},
		{"sub null", claims(`"`+user+`"`, `null`), tokens.ErrClaims},
		{"sub of 12 digits", claims(user, user[1:]), tokens.ErrClaims},
		{"sub of 14 digits", claims(user, user+"0"), tokens.ErrClaims},
		{"sub with a brace", claims(user, "164701502862}"), tokens.ErrClaims},
		{"sub in other digits", claims(user, `١٦٤٧٠١\u00308`), tokens.ErrClaims},
		{"sub twice", claims(with(`"sub":"1647015028627"`)), tokens.ErrClaims},
		{"sub twice, once escaped", claims(with(`"\u0073ub":"` + user + `"`)), tokens.ErrClaims},
		{"sub in capitals", claims(`"sub"`, `"Sub"`), tokens.ErrClaims},
		{"sub in capitals as well", claims(with(`"SUB":"` + user + `"`)), tokens.ErrClaims},
		{"sub with a long s as well", claims(with(`"ſub":"` + user + `"`)), tokens.ErrClaims},
		{"no sid", claims(`"sid":"`+session+`",`, ``), tokens.ErrClaims},
		{"sid a number", claims(`"`+session+`"`, session), tokens.ErrClaims},
		{"sid null", claims(`"`+session+`"`, `null`), tokens.ErrClaims},
		{"sid me", claims(session, "me"), tokens.ErrClaims},
		{"sid of 9 digits", claims(session, "123456789"), tokens.ErrClaims},
		{"sid of 14 digits", claims(session, session+"0"), tokens.ErrClaims},
		{"sid with a colon", claims(session, "17673230456:8"), tokens.ErrClaims},
		{"sid in capitals", claims(`"sid"`, `"SID"`), tokens.ErrClaims},
		{"no iat", claims(`"iat":1767323045,`, ``), tokens.ErrClaims},
		{"iat text", claims(`1767323045`, `"1767323045"`), tokens.ErrClaims},
		{"iat with a fraction", claims(`1767323045`, `1767323045.5`), tokens.ErrClaims},
		{"iat with an exponent", claims(`1767323045`, `1.767323045e9`), tokens.ErrClaims},
		{"iat negative", claims(`1767323045`, `-1767323045`), tokens.ErrClaims},
		{"iat beyond all years", claims(`1767323045`, `17673230450000000000000`), tokens.ErrClaims},
		{"iat in capitals as well", claims(with(`"IAT":1`)), tokens.ErrClaims},
		{"no exp", claims(`,"exp":1767409445`, ``), tokens.ErrClaims},
		{"exp text", claims(`1767409445`, `"1767409445"`), tokens.ErrClaims},
		{"exp null", claims(`1767409445`, `null`), tokens.ErrClaims},
		{"exp true", claims(`1767409445`, `true`), tokens.ErrClaims},
		{"exp a list", claims(`1767409445`, `[1767409445]`), tokens.ErrClaims},
		{"exp beyond all years", claims(`1767409445`, `1e300`), tokens.ErrClaims},
		{"exp beyond all numbers", claims(`1767409445`, `1e999`), tokens.ErrClaims},
		{"exp negative", claims(`1767409445`, `-1`), tokens.ErrClaims},
		{"exp twice", claims(with(`"exp":1767409446`)), tokens.ErrClaims},
		{"exp in capitals", claims(`"exp"`, `"EXP"`), tokens.ErrClaims},
		{"exp in capitals as well", claims(with(`"Exp":4767409445`)), tokens.ErrClaims},
		{"exp past", claims(`1767409445`, `1767323099`), tokens.ErrExpired},
		{"exp now", claims(`1767409445`, `1767323100`), tokens.ErrExpired},
		{"exp now and a fraction", claims(`1767409445`, `1767323100.9`), tokens.ErrExpired},
		{"exp zero", claims(`1767409445`, `0`), tokens.ErrExpired},
		{"nbf in a second", claims(with(`"nbf":1767323101`)), tokens.ErrNotYetValid},
		{"nbf in a fraction of a second", claims(with(`"nbf":1767323100.1`)), tokens.ErrNotYetValid},
		{"nbf text", claims(with(`"nbf":"0"`)), tokens.ErrClaims},
		{"nbf null", claims(with(`"nbf":null`)), tokens.ErrClaims},
		{"nbf in capitals", claims(with(`"NBF":0`)), tokens.ErrClaims},
		{"another audience", claims(with(`"aud":"mail"`)), tokens.ErrClaims},

		// The older system.
		{"old, iat of 9 digits", oldToken(`1687067614`, `168706761`), tokens.ErrClaims},
		{"old, iat of 11 digits", oldToken(`1687067614`, `16870676140`), tokens.ErrClaims},
		{"old, iat with a fraction", oldToken(`1687067614`, `1687067614.0`), tokens.ErrClaims},
		{"old, no iat", oldToken(`"iat":1687067614,`, ``), tokens.ErrClaims},
		{"old, sid null", oldToken(with(`"sid":null`)), tokens.ErrClaims},
		{"old, no exp", oldToken(`,"exp":2002643614`, ``), tokens.ErrClaims},
		{"old, expired", oldToken(`2002643614`, `1767323100`), tokens.ErrExpired},
		{"old, without sid but of the current key", mint(t, current, goodHeader, oldClaims), tokens.ErrClaims},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v := verifier(t, tokens.VerifierOptions{LegacyKeyID: legacyKID})
			for range 2 {
				got, err := v.Verify(tt.token)
				if !errors.Is(err, tt.want) || !errors.Is(err, tokens.ErrInvalid) {
					t.Errorf("Verify = %v, want %v", err, tt.want)
				}
				if got != (tokens.Claims{}) {
					t.Errorf("claims of a refused token: %+v", got)
				}
			}
			if stats := v.CacheStats(); stats.Entries != 0 || stats.Hits != 0 {
				t.Errorf("a refused token was remembered: %+v", stats)
			}
		})
	}
}

func TestVerifyWithoutLegacyKeyRefusesTokensWithoutKID(t *testing.T) {
	t.Parallel()
	v := verifier(t, tokens.VerifierOptions{})
	for name, token := range map[string]string{
		"the documented example":        exampleToken,
		"signed with a key that loaded": mint(t, testKey(t, legacyKID), oldHeader, oldClaims),
	} {
		if _, err := v.Verify(token); !errors.Is(err, tokens.ErrUnknownKey) {
			t.Errorf("%s: %v, want %v", name, err, tokens.ErrUnknownKey)
		}
	}
	// The key may be named, but its tokens then need a session ID.
	named := replace(t, oldHeader, `{`, `{"kid":"legacy",`)
	if _, err := v.Verify(mint(t, testKey(t, legacyKID), named, oldClaims)); !errors.Is(err, tokens.ErrClaims) {
		t.Errorf("no sid under a kid that is not the legacy key's: %v", err)
	}
}

func TestVerifyIssuer(t *testing.T) {
	t.Parallel()
	v := verifier(t, tokens.VerifierOptions{Issuer: "sessiond", LegacyKeyID: legacyKID})
	key := testKey(t, currentKID)
	for name, claims := range map[string]string{
		"missing":         goodClaims,
		"another":         replace(t, goodClaims, `{`, `{"iss":"other",`),
		"in capitals":     replace(t, goodClaims, `{`, `{"iss":"Sessiond",`),
		"null":            replace(t, goodClaims, `{`, `{"iss":null,`),
		"a list":          replace(t, goodClaims, `{`, `{"iss":["sessiond"],`),
		"wrongly spelled": replace(t, goodClaims, `{`, `{"ISS":"sessiond",`),
		"twice":           replace(t, goodClaims, `{`, `{"iss":"sessiond","iss":"sessiond",`),
	} {
		if _, err := v.Verify(mint(t, key, goodHeader, claims)); !errors.Is(err, tokens.ErrClaims) {
			t.Errorf("issuer %s: %v, want %v", name, err, tokens.ErrClaims)
		}
	}
	named := replace(t, oldHeader, `{`, `{"kid":"legacy",`)
	if _, err := v.Verify(mint(t, testKey(t, legacyKID), named, oldClaims)); !errors.Is(err, tokens.ErrClaims) {
		t.Errorf("legacy key, named, without issuer: %v, want %v", err, tokens.ErrClaims)
	}
}

func TestErrorsDoNotQuoteTheToken(t *testing.T) {
	t.Parallel()
	v := verifier(t, tokens.VerifierOptions{})
	const secret = "forged\\nline"
	for _, token := range []string{
		secret,
		mint(t, testKey(t, currentKID), replace(t, goodHeader, currentKID, secret), goodClaims),
		mint(t, testKey(t, currentKID), goodHeader, replace(t, goodClaims, user, secret)),
	} {
		_, err := v.Verify(token)
		if err == nil || strings.Contains(err.Error(), "forged") || strings.ContainsAny(err.Error(), "\n\r") {
			t.Errorf("error: %v", err)
		}
	}
}
