// Package tokens signs the tokens that sessions are known by, verifies those
// that come back, and keeps the keys for both.
//
// A token is a JSON Web Token (RFC 7519) in compact form, signed with ES256:
// ECDSA on P-256 with SHA-256 (RFC 7518, section 3.4). It names a user and a
// session. That its signature is right admits nobody: the session it names is
// looked up on every request, which is not this package's part.
//
// An [Issuer] signs at login, with the newest key of a [Keyring] that is old
// enough for all replicas to have it. A [Verifier] checks a token before
// anything else looks at it, in this order: its form, its header, its signature,
// and only then, with text that a key of ours vouches for, its claims and its
// times. Each part is read once, by package strictjson, so no two readings of
// one token can disagree. Nothing in a token chooses how it is verified: the
// algorithm is fixed, and a "kid" selects among the keys that are already
// loaded.
//
// Keys come and go while both are in use: a [Rotation] follows the directory
// that holds them. A new key verifies at once and signs later.
package tokens
