package local

import (
	"keyporter/internal/hint"
)

// A CheckID names a check of the doctor. The words are stable: scripts read
// them.
type CheckID string

// The checks, in the order in which they come. Those from CheckClock to
// CheckRoundTrip are made for each server, CheckClient for each MCP client that is
// here.
const (
	CheckPrograms     CheckID = "programs"             // the programs and their versions
	CheckAgent        CheckID = "agent"                // it runs, and is not paused
	CheckSettings     CheckID = "settings"             // config.json and state.json can be read
	CheckKeyring      CheckID = "keyring"              // where the vault's key is
	CheckVault        CheckID = "vault"                // it is open and can be written
	CheckLog          CheckID = "audit_log"            // it is as it was written
	CheckClock        CheckID = "clock"                // against the server's Date (RFC 9110 section 6.6.1)
	CheckDNS          CheckID = "dns"                  // the host has an address
	CheckProxy        CheckID = "proxy"                // the proxy on the way, if there is one
	CheckConnection   CheckID = "connection"           // somebody listens there
	CheckTLS          CheckID = "tls"                  // whose certificate it is, and who issued it
	CheckAnswer       CheckID = "answer"               // what the server says without a token, and its era
	CheckResource     CheckID = "resource"             // protected resource metadata (RFC 9728)
	CheckAuthServer   CheckID = "authorization_server" // authorization server metadata (RFC 8414)
	CheckRegistration CheckID = "registration"         // who we are there
	CheckGrant        CheckID = "grant"                // a token can be had
	CheckClaims       CheckID = "claims"               // what is in it, against what the server expects
	CheckRoundTrip    CheckID = "round_trip"           // a session through a bridge
	CheckClient       CheckID = "client"               // an MCP client's configuration
	CheckProcesses    CheckID = "processes"            // bridges that run more often than needed
	CheckAutostart    CheckID = "autostart"            // the start at login
)

// CheckIDs are all checks in their order.
func CheckIDs() []CheckID {
	return []CheckID{
		CheckPrograms, CheckAgent, CheckSettings, CheckKeyring, CheckVault, CheckLog,
		CheckClock, CheckDNS, CheckProxy, CheckConnection, CheckTLS, CheckAnswer, CheckResource, CheckAuthServer,
		CheckRegistration, CheckGrant, CheckClaims, CheckRoundTrip,
		CheckClient, CheckProcesses, CheckAutostart,
	}
}

// A CheckResult is how a check ended. One that a reader does not know counts as
// CheckNote.
type CheckResult string

// The results.
const (
	CheckOK      CheckResult = "ok"
	CheckNote    CheckResult = "note"    // it works, but is worth knowing; Problem says why
	CheckFailed  CheckResult = "failed"  // Problem says what is wrong and what to do here
	CheckSkipped CheckResult = "skipped" // it could not be made, because After failed
)

// A Check is one check of the doctor, with what was seen. It holds no secret.
type Check struct {
	ID      CheckID     `json:"check"`
	Subject string      `json:"subject,omitempty"` // the server or the MCP client that it is about, as people call it
	Result  CheckResult `json:"result"`
	Seen    string      `json:"seen,omitempty"`    // what was seen, a phrase without a full stop
	Problem *hint.Error `json:"problem,omitempty"` // with CheckNote and CheckFailed
	After   CheckID     `json:"after,omitempty"`   // with CheckSkipped: the check whose failure has to be mended first
}

// DoctorRequest is the argument of Doctor. The caller says which program it is,
// so that the agent can compare.
type DoctorRequest struct {
	Server  string `json:"server,omitempty"` // empty: all servers
	Version string `json:"version"`
	Program string `json:"program,omitempty"` // the caller's path
}

// WithoutAgent returns the checks of a doctor that reaches no agent: what err
// says, and all others as skipped.
func WithoutAgent(r DoctorRequest, platform string, err error) []*Check {
	checks := []*Check{{ID: CheckPrograms, Result: CheckOK, Seen: "keyporter " + r.Version + ", " + platform}}
	for _, id := range CheckIDs()[1:] {
		c := &Check{ID: id, Result: CheckSkipped, After: CheckAgent}
		if id == CheckAgent {
			c = &Check{ID: id, Result: CheckFailed, Problem: hint.Of(err)}
		}
		checks = append(checks, c)
	}
	return checks
}
