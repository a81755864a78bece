package broker

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"keyporter/broker/local"
	"keyporter/broker/vault"
	"keyporter/internal/hint"
)

// Keys of the vault. Names are names that account.CheckName passed, so no two
// keys can run into each other.
func accountKey(name string) string         { return "account/" + name }
func serverKey(name string) string          { return "server/" + name }
func grantPrefix(acct string) string        { return "grant/" + acct + "/" }
func grantKey(acct string, t target) string { return grantPrefix(acct) + digest(t.String()) }

// proxyKey is the key of the login of a proxy, by account.ProxyAddress.
func proxyKey(address string) string { return proxyPrefix + address }

const proxyPrefix = "proxy/"

// issuersKey is the key of the list of issuers at which the user has signed in.
const issuersKey = "issuers"

// registrationKey is the key of our client identity at one issuer, an
// oauth.ClientRegistration.
func registrationKey(issuer string) string { return "registration/" + digest(issuer) }

// approvalsKey is the vault's record of approvals.
const approvalsKey = "approvals"

// auditKey is the vault's record of what seals the audit log, and of its end.
const auditKey = "audit"

// editKey is the vault's record of the version of config.json that goes with it.
const editKey = "config"

const movedPrefix = "moved/"

func movedKey(server string) string { return movedPrefix + server }

const profilePrefix = "profile/"

func profileKey(name string) string { return profilePrefix + name }

// programKey is also what an approval names as its account, for a program.
func programKey(name string) string { return local.ProgramPrefix + name }

const undoPrefix = "undo/"

// undoKey names a fix by its time, so that keys sort by it.
func undoKey(at time.Time) string { return undoPrefix + at.UTC().Format("20060102T150405.000000000Z") }

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:12])
}

// errNoRecord is returned for a key that the vault does not have.
func errNoRecord(key string) error {
	kind, name, _ := strings.Cut(key, "/")
	if kind != "account" {
		return hint.New(hint.NotFound, fmt.Sprintf("The vault holds nothing for this %s.", kind), "")
	}
	return hint.New(hint.NotFound, fmt.Sprintf("The secret of the account %q is not in the vault.", name),
		"Remove the account and add it again.")
}

// readRecord reads one record of the vault into v.
func readRecord(f interface {
	Get(string) (json.RawMessage, bool)
}, key string, v any) error {
	raw, ok := f.Get(key)
	if !ok {
		return errNoRecord(key)
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("read record %s of the vault: it has another form", kindOfKey(key))
	}
	return nil
}

func getRecord(tx *vault.Tx, key string, v any) error { return readRecord(tx, key, v) }

func kindOfKey(key string) string {
	kind, _, _ := strings.Cut(key, "/")
	return kind
}

// accountOfGrant returns the account's name of a grant's key.
func accountOfGrant(key string) string {
	rest := strings.TrimPrefix(key, "grant/")
	return rest[:strings.LastIndexByte(rest, '/')]
}
