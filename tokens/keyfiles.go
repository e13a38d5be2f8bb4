package tokens

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const keyFileSuffix = ".pem"

// ErrKeyPermissions means that others than a key file's owner and group can get
// at it: they could sign tokens for every user.
var ErrKeyPermissions = errors.New("key file open to others")

// LoadKeyring loads every <kid>.pem in dir. Each holds one P-256 key in PEM: a
// private one in PKCS#8 ("PRIVATE KEY", RFC 5958) or SEC 1 ("EC PRIVATE KEY",
// RFC 5915), or a public one ("PUBLIC KEY", RFC 5280), which only verifies.
// Other names, and those that begin with a dot, are passed over.
//
// A file that cannot be used is an error that names it; no key is left out in
// silence, since tokens signed with it would be refused. So is a private key
// that others can read or any key that others can write (ErrKeyPermissions).
// The group may read: that is how Kubernetes hands a secret to a process that
// is not root. A directory without a signing key is no error here; NewIssuer
// tells.
func LoadKeyring(dir string) (*Keyring, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read key directory: %w", err)
	}
	var keys []Key
	for _, entry := range entries {
		id, isKey := strings.CutSuffix(entry.Name(), keyFileSuffix)
		if !isKey || strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		key, err := loadKey(filepath.Join(dir, entry.Name()), id)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	keyring, err := NewKeyring(keys...)
	if err != nil {
		return nil, fmt.Errorf("key directory %s: %w", dir, err)
	}
	return keyring, nil
}

func loadKey(path, id string) (Key, error) {
	info, err := os.Stat(path) // follows links: mounted secrets are links
	if err != nil {
		return Key{}, fmt.Errorf("read key: %w", err)
	}
	if !info.Mode().IsRegular() {
		return Key{}, fmt.Errorf("key file %s: not a regular file", path)
	}
	data, err := os.ReadFile(path) //nolint:gosec // G304: the operator names the directory
	if err != nil {
		return Key{}, fmt.Errorf("read key: %w", err)
	}
	key, err := parseKey(data)
	if err != nil {
		return Key{}, fmt.Errorf("key file %s: %w", path, err)
	}
	forbidden := fs.FileMode(0o002)
	if key.Private != nil {
		forbidden = 0o007
	}
	if mode := info.Mode().Perm(); mode&forbidden != 0 {
		return Key{}, fmt.Errorf("key file %s: mode %04o: %w (chmod 600 %[1]s)", path, mode, ErrKeyPermissions)
	}
	key.ID = id
	return key, nil
}

// parseKey reads the one key that data holds. OpenSSL writes the curve's
// parameters as a block of their own before a key; they say nothing that the
// key does not.
func parseKey(data []byte) (Key, error) {
	var key Key
	found := false
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "EC PARAMETERS" {
			continue
		}
		if found {
			return Key{}, errors.New("more than one key in the file")
		}
		found = true
		var err error
		if key, err = parseBlock(block); err != nil {
			return Key{}, err
		}
	}
	if !found {
		return Key{}, errors.New("no key in PEM")
	}
	return key, nil
}

func parseBlock(block *pem.Block) (Key, error) {
	var parsed any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		parsed, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		parsed, err = x509.ParseECPrivateKey(block.Bytes)
	case "PUBLIC KEY":
		parsed, err = x509.ParsePKIXPublicKey(block.Bytes)
	default:
		return Key{}, fmt.Errorf("a PEM block %q is no key that can be used", block.Type)
	}
	if err != nil {
		return Key{}, fmt.Errorf("parse %s: %w", strings.ToLower(block.Type), err)
	}
	switch parsed := parsed.(type) {
	case *ecdsa.PrivateKey:
		return Key{Private: parsed}, checkCurve(&parsed.PublicKey)
	case *ecdsa.PublicKey:
		return Key{Public: parsed}, checkCurve(parsed)
	default:
		return Key{}, fmt.Errorf("a key of type %T, want ECDSA on P-256", parsed)
	}
}

// CreateKey writes a new signing key into dir, which it makes (mode 0700) if
// need be, and returns its kid. The file has mode 0600 and appears whole or not
// at all. Two calls in the same millisecond get two kids.
//
// Processes that have not loaded the key refuse what it signs, hence the
// activation delay, which counts from now.
func CreateKey(dir string, now time.Time) (kid string, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", fmt.Errorf("generate key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return "", fmt.Errorf("encode key: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make key directory: %w", err)
	}
	temporary, err := writeTemporary(dir, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	if err != nil {
		return "", fmt.Errorf("write key: %w", err)
	}
	defer func() { err = errors.Join(err, os.Remove(temporary)) }()

	// Unlike a rename, a link fails where the name is taken.
	for {
		kid = formatKeyID(now)
		err = os.Link(temporary, filepath.Join(dir, kid+keyFileSuffix))
		if !errors.Is(err, fs.ErrExist) {
			break
		}
		now = now.Add(time.Millisecond)
	}
	if err != nil {
		return "", fmt.Errorf("write key: %w", err)
	}
	return kid, syncDirectory(dir)
}

// RemoveKey takes a key out of dir for good. Where others manage the directory,
// as Kubernetes does a mounted secret, it fails: the key has to go there.
func RemoveKey(dir, kid string) error {
	if err := checkKeyID(kid); err != nil {
		return fmt.Errorf("remove key: %w", err)
	}
	if err := os.Remove(filepath.Join(dir, kid+keyFileSuffix)); err != nil {
		return fmt.Errorf("remove key: %w", err)
	}
	return syncDirectory(dir)
}

// writeTemporary writes data to a new file in dir under a name that LoadKeyring
// passes over, and sees it onto the disk.
func writeTemporary(dir string, data []byte) (path string, err error) {
	file, err := os.CreateTemp(dir, ".new-key-*") // mode 0600
	if err != nil {
		return "", err
	}
	_, err = file.Write(data)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return "", errors.Join(err, os.Remove(file.Name()))
	}
	return file.Name(), nil
}

// syncDirectory sees a new name in dir onto the disk: tokens signed with a key
// that a power cut took back could never be verified again.
func syncDirectory(dir string) error {
	handle, err := os.Open(dir) //nolint:gosec // G304: the operator names the directory
	if err != nil {
		return fmt.Errorf("sync key directory: %w", err)
	}
	if err := errors.Join(handle.Sync(), handle.Close()); err != nil {
		return fmt.Errorf("sync key directory: %w", err)
	}
	return nil
}
