package google

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/url"
	"strings"

	"keyporter/broker/secret"
	"keyporter/internal/hint"
	"keyporter/internal/lazy"
)

const (
	defaultUniverse = "googleapis.com"
	defaultTokenURI = "https://oauth2.googleapis.com/token"

	maxFile    = 64 << 10 // real key files have 2.4 kB
	minKeyBits = 2048
	maxKeyBits = 8192 // more would keep the CPU busy
)

// A Key is what is used of a service account's key file. It does not print its
// private key and has no JSON form with it.
type Key struct {
	Email    string // client_email
	KeyID    string // private_key_id; may be empty
	TokenURI string // token_uri, the universe's own if the file has none; see CheckTokenURI
	Universe string // universe_domain; googleapis.com if the file has none

	private crypto.Signer
}

// SignerKey returns the key of a service account whose private key rests
// elsewhere: signer signs with it. keyID may be empty.
func SignerKey(email, keyID string, signer crypto.Signer) (*Key, error) {
	switch {
	case !emailForm().MatchString(email):
		return nil, hint.New(hint.Usage, "A key that signs elsewhere does not say whose it is.", "Give --email with the service account's e-mail address.")
	case !keyIDForm().MatchString(keyID):
		return nil, hint.New(hint.Usage, "This is not the id of a key.", "Give the id that Google shows for the uploaded key.")
	}
	if _, ok := signer.Public().(*rsa.PublicKey); !ok {
		return nil, hint.New(hint.Usage, "The key that signs is not an RSA key; Google takes no other.", "Make one of the type rsa-2048 there.")
	}
	return &Key{Email: email, KeyID: keyID, TokenURI: defaultTokenURI, Universe: defaultUniverse, private: signer}, nil
}

// keyFile is the file's form. Fields beyond these (auth_uri, certificate
// addresses, project) are not looked at, so they can send nothing anywhere.
type keyFile struct {
	Type        string          `json:"type"`
	Email       string          `json:"client_email"`
	PrivateKey  string          `json:"private_key"`
	KeyID       string          `json:"private_key_id"`
	TokenURI    string          `json:"token_uri"`
	Universe    string          `json:"universe_domain"`
	Installed   json.RawMessage `json:"installed"` // an OAuth client's file
	Web         json.RawMessage `json:"web"`       // the same
	GoogleError json.RawMessage `json:"error"`     // an answer that was saved by mistake
}

var (
	emailForm    = lazy.Regexp(`^[A-Za-z0-9._%+-]{1,128}@[A-Za-z0-9.-]{1,200}$`)
	keyIDForm    = lazy.Regexp(`^[A-Za-z0-9_-]{0,128}$`)
	universeForm = lazy.Regexp(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$`)
)

const getKey = "Get a new JSON key: Google Cloud console, IAM, Service accounts, the account, Keys, Add key."

// bad returns the hint for a file that is no usable key.
func bad(what, do string) error { return hint.New(hint.Usage, what, do) }

// ParseKey reads a service account's key file. It takes the type service_account
// only: the other types hold addresses and programs that whoever made the file
// chose. Its errors are hints and quote nothing of the file.
func ParseKey(file secret.Value) (*Key, error) {
	f, err := readFile([]byte(file.Reveal()))
	if err != nil {
		return nil, err
	}
	if err := checkType(f); err != nil {
		return nil, err
	}
	k := &Key{Email: f.Email, KeyID: f.KeyID, TokenURI: f.TokenURI, Universe: f.Universe}
	if k.Universe == "" {
		k.Universe = defaultUniverse
	}
	switch {
	case k.Email == "":
		return nil, bad("The key file has no client_email.", getKey)
	case !emailForm().MatchString(k.Email):
		return nil, bad("The client_email in the key file is not an e-mail address.", getKey)
	case !keyIDForm().MatchString(k.KeyID):
		return nil, bad("The private_key_id in the key file has an odd form.", getKey)
	case !universeForm().MatchString(k.Universe):
		return nil, bad("The universe_domain in the key file is not a domain name.", getKey)
	}
	if k.TokenURI == "" {
		k.TokenURI = "https://oauth2." + k.Universe + "/token"
	}
	if u, err := url.Parse(k.TokenURI); err != nil || u.Hostname() == "" || len(k.TokenURI) > 500 {
		return nil, bad("The token_uri in the key file is not an address.", getKey)
	}
	if k.private, err = parsePrivateKey(f.PrivateKey); err != nil {
		return nil, err
	}
	return k, nil
}

// readFile decodes the JSON and says what a file of another format is.
func readFile(b []byte) (*keyFile, error) {
	b = bytes.TrimPrefix(bytes.TrimSpace(b), []byte("\ufeff"))
	switch {
	case len(b) == 0:
		return nil, bad("The key file is empty.", getKey)
	case len(b) > maxFile:
		return nil, bad("The file is too big to be a key file.", getKey)
	case bytes.HasPrefix(b, []byte("-----BEGIN")):
		return nil, bad("The file is a bare private key; the JSON around it is missing.", getKey)
	case b[0] == 0x30 && len(b) > 1 && b[1]&0x80 != 0: // an ASN.1 sequence
		return nil, bad("The file is a key in P12 format; Keyporter reads JSON keys.", getKey)
	case b[0] != '{':
		return nil, bad("The file is not a Google key: it is not JSON.", getKey)
	}
	var f keyFile
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, bad("The file is not a Google key: its JSON is damaged or cut off.", getKey)
	}
	return &f, nil
}

// checkType says what a file of another type is.
func checkType(f *keyFile) error {
	const notKey = "Keyporter needs the key file of a service account. " + getKey
	switch {
	case f.Type == "service_account":
		return nil
	case f.Type == "authorized_user":
		return bad("The file is a person's own Google sign-in (as gcloud stores it), not a service account's key.", notKey)
	case strings.HasPrefix(f.Type, "external_account"):
		return bad("The file describes workload identity federation, not a service account's key.", notKey)
	case f.Type == "impersonated_service_account":
		return bad("The file describes impersonation of a service account and holds no key of it.", notKey)
	case f.Type == "gdch_service_account":
		return bad("The file is a key for Google Distributed Cloud, which Keyporter does not know.", notKey)
	case f.Installed != nil || f.Web != nil:
		return bad("The file describes an OAuth client, not a service account.", notKey)
	case f.GoogleError != nil:
		return bad("The file is an error answer of Google, saved in place of a key.", getKey)
	case f.Type == "":
		return bad("The file does not say that it is a service account's key.", getKey)
	}
	return bad("The file is some other kind of credential, not a service account's key.", notKey)
}

// parsePrivateKey reads the PEM in private_key: PKCS #8 as Google writes it, or
// PKCS #1.
func parsePrivateKey(s string) (*rsa.PrivateKey, error) {
	if s == "" {
		return nil, bad("The key file has no private_key.", getKey)
	}
	block, _ := pem.Decode([]byte(s))
	if block == nil {
		return nil, bad("The private_key in the key file is damaged or cut off.", getKey)
	}
	var key *rsa.PrivateKey
	if any, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
		var ok bool
		if key, ok = any.(*rsa.PrivateKey); !ok {
			return nil, bad("The private_key in the key file is not an RSA key; Google takes no other.", getKey)
		}
	} else if key, err = x509.ParsePKCS1PrivateKey(block.Bytes); err != nil {
		if _, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
			return nil, bad("The private_key in the key file is not an RSA key; Google takes no other.", getKey)
		}
		return nil, bad("The private_key in the key file cannot be read.", getKey)
	}
	if bits := key.N.BitLen(); bits < minKeyBits || bits > maxKeyBits {
		return nil, bad("The private_key in the key file has a length that Google does not use.", getKey)
	}
	return key, nil
}
