package local

import (
	"fmt"
	"strings"
	"unicode"

	"keyporter/internal/hint"
)

// ProgramPrefix stands before the name of a program whose keys rest in the vault where
// an approval has the name of an account.
const ProgramPrefix = "program/"

// VaultKey stands where an approval has the name of an account, if it is about choosing
// where the vault's key is kept, which gives whoever chooses the key.
const VaultKey = "vault/key"

// VaultKeyName is the Name of such an approval.
const VaultKeyName = "the vault's key"

// Name is what the approval is about: the server, or else the account, the program
// whose keys rest in the vault, or VaultKeyName.
func (a *Approval) Name() string {
	switch {
	case a.Server != "":
		return a.Server
	case a.Account == VaultKey:
		return VaultKeyName
	}
	return strings.TrimPrefix(a.Account, ProgramPrefix)
}

// Refusal is the error for a program that has no approval.
func (a *Approval) Refusal() *hint.Error {
	if a.Program == "" {
		return hint.New(hint.ApprovalNeeded, fmt.Sprintf("The program that wants to use %s has ended, or cannot be named, so nobody can allow it.", a.Name()),
			"Start keyporter from a program that goes on, or change the setting approvals.")
	}
	return hint.New(hint.ApprovalNeeded, fmt.Sprintf("%s is not allowed to use %s.", pathWords(a.Program), a.Name()),
		"Allow it in the notification or the tray, or run: keyporter approve "+a.ID)
}

// pathWords is a path for a sentence.
func pathWords(path string) string {
	path = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, path)
	if r := []rune(path); len(r) > 120 { // its end says more than its beginning
		return "…" + string(r[len(r)-119:])
	}
	return path
}
