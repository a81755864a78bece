package view

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"keyporter/broker/local"
)

// A CallRow is one row of the page Activity.
type CallRow struct {
	Time    string
	Who     string // program → server
	What    string // method and name
	Outcome string // in words
	Failed  bool
	Latency string
	Bytes   string
	Exact   string // the date and the time
}

// CallRowOf returns the row of a record.
func CallRowOf(t *Texts, r *local.AuditRecord) CallRow {
	row := CallRow{
		Time: r.Time.Local().Format("15:04:05"), Exact: moment(r.Time),
		Who: who(t, r), What: strings.TrimSpace(Name(cmp.Or(r.Method, t.event(r.Event))) + " " + Name(r.Name)),
		Failed: r.Outcome != "ok" && r.Outcome != "", Outcome: t.outcome(r.Outcome),
	}
	if r.Event == dropped {
		row.Outcome = Name(r.Outcome)
	}
	if r.Latency > 0 {
		row.Latency = Latency(r.Latency)
	}
	if n := r.BytesIn + r.BytesOut; n > 0 {
		row.Bytes = Bytes(n)
	}
	return row
}

// dropped is the event of records that a bridge had no room for; its outcome is
// how many.
const dropped = "records_dropped"

func who(t *Texts, r *local.AuditRecord) string {
	program, at := Name(r.Program), Name(cmp.Or(r.Server, r.Account))
	if program == "" || at == "" {
		return program + at
	}
	return fmt.Sprintf(t.Activity.From, program, at)
}

func (t *Texts) event(e string) string {
	a := &t.Activity
	words := map[string]string{
		"call": a.Call, "sign_in": a.SignIn, "sign_out": a.SignOut, "token": a.Token, "renew": a.Renew, "unlock": a.Unlock,
		"add": a.Add, "set": a.Set, "rename": a.Rename, "remove": a.Remove,
		"account_add": a.Add, "account_rotate": a.Rotate, "account_remove": a.Remove,
		"pause": a.Stop, "resume": a.Resume,
		"install": a.Install, "uninstall": a.Uninstall, "repair": a.Repair, "share": a.Share, "join": a.Join, "forget": a.Forget,
		"scan_fix": a.ScanFix, "scan_undo": a.ScanUndo, "run": a.Run, dropped: a.Dropped,
		"use_vault": a.UseVault, "restore_vault": a.Restored, "start": a.Start,
		"records_lost": a.Lost, "records_waiting": a.Waiting, "log_broken": a.Broken,
		"set_approvals": a.Approvals, "approve": a.Approve, "deny": a.Deny, "revoke": a.Revoke,
	}
	if w, ok := words[e]; ok {
		return w
	}
	return Name(strings.ReplaceAll(e, "_", " "))
}

// outcome says the code of an outcome in words. The HTTP status or JSON-RPC code
// of a server's error stands after them; a word that this version does not know is
// shown as it is.
func (t *Texts) outcome(code string) string {
	a := &t.Activity
	words := map[string]string{
		"": "", "ok": a.OK, "failed": a.Failed, "usage": a.Usage, "not_found": a.NotFound, "exists": a.Exists,
		"sign_in_needed": a.SignInNeeded, "approval_needed": a.ApprovalNeeded, "locked": a.Locked, "paused": a.Paused,
		"stopped": a.Stopped, "refused": a.Refused, "unreachable": a.Unreachable, "cancelled": a.Cancelled, "tool_error": a.ToolError,
		"error": a.ServerError, "closed": a.Closed, "ended": a.Ended, "no_answer": a.NoAnswer,
	}
	if w, ok := words[code]; ok {
		return w
	}
	if status, ok := strings.CutPrefix(code, "http_"); ok {
		return fmt.Sprintf("%s (%s)", a.ServerError, Name(status))
	}
	if _, err := strconv.Atoi(code); err == nil {
		return fmt.Sprintf("%s (%s)", a.ServerError, code)
	}
	return Name(code)
}

// maxCalls is how many records the list keeps.
const maxCalls = 5000

// Calls are the newest records that fit a filter. The zero value is empty and
// fits everything.
type Calls struct {
	records []local.AuditRecord // oldest first, at most 2 * maxCalls
}

// Add adds a record.
func (c *Calls) Add(r *local.AuditRecord) {
	if len(c.records) >= 2*maxCalls { // seldom, so that adding stays cheap
		c.records = slices.Clone(c.records[maxCalls:])
	}
	c.records = append(c.records, *r)
}

// lateness is how much later than others of its time a record may come: bridges
// hand theirs over every few seconds.
const lateness = time.Minute

// Since returns from when on a log has to be read again that was broken off, and
// how often each record from then on is there already. Both are zero for an empty
// list.
func (c *Calls) Since() (since time.Time, there map[local.AuditRecord]int) {
	for i := range c.records {
		if t := c.records[i].Time.Add(-lateness); t.After(since) {
			since = t
		}
	}
	there = map[local.AuditRecord]int{}
	for i := range c.records {
		if !c.records[i].Time.Before(since) {
			there[SameRecord(&c.records[i])]++
		}
	}
	return since, there
}

// SameRecord returns a record as a key: == tells apart times that are the same in
// different zones.
func SameRecord(r *local.AuditRecord) local.AuditRecord {
	k := *r
	k.Time = r.Time.Round(0).UTC()
	return k
}

// Newest returns the records that fit the filter's words, newest first, at most
// max of them and of the newest that are kept.
func (c *Calls) Newest(t *Texts, filter string, max int) []local.AuditRecord {
	words := strings.Fields(strings.ToLower(filter))
	var out []local.AuditRecord
	for i := len(c.records) - 1; i >= 0 && len(out) < max && i >= len(c.records)-maxCalls; i-- {
		if fits(t, &c.records[i], words) {
			out = append(out, c.records[i])
		}
	}
	return out
}

// Of returns a server's newest calls.
func (c *Calls) Of(server string, max int) []local.AuditRecord {
	var out []local.AuditRecord
	for i := len(c.records) - 1; i >= 0 && len(out) < max; i-- {
		if r := &c.records[i]; r.Server == server && IsCall(r) {
			out = append(out, *r)
		}
	}
	return out
}

// fits reports whether every word is somewhere in the row of r.
func fits(t *Texts, r *local.AuditRecord, words []string) bool {
	if len(words) == 0 {
		return true
	}
	row := strings.ToLower(strings.Join([]string{r.Program, r.Server, r.Account, r.Method, r.Name, t.event(r.Event), r.Outcome, t.outcome(r.Outcome)}, " "))
	for _, w := range words {
		if !strings.Contains(row, w) {
			return false
		}
	}
	return true
}
