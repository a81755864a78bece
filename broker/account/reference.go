package account

import "strings"

// Schemes of references to secrets that rest elsewhere.
const (
	RefVault   = "vault"         // HashiCorp Vault or OpenBao, a K/V engine of version 2
	RefTransit = "vault-transit" // the same, a Transit key that signs and never leaves
	RefGoogle  = "gcpsm"         // Google Secret Manager
)

// IsReference reports whether s, given in place of a file, says where a secret
// rests instead.
func IsReference(s string) bool {
	scheme, _, ok := strings.Cut(s, "://")
	return ok && (scheme == RefVault || scheme == RefTransit || scheme == RefGoogle)
}
