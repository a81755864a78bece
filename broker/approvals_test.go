package broker

import (
	"errors"
	"testing"

	"keyporter/broker/local"
	"keyporter/broker/vault"
)

// An answer that is written just before a revoke and told just after it must not
// bring back what was revoked.
func TestAnApprovalThatIsRevokedStaysSo(t *testing.T) {
	w := newWorld(t)
	if _, err := w.openedVault(t.Context()); err != nil {
		t.Fatal(err)
	}
	allowed := allowedProgram{Program: "/bin/told-late", Server: "notes"}
	writing, ended := make(chan struct{}), make(chan error)
	go func() {
		ended <- w.editApprovals(t.Context(), func(rec *approvalsRecord) {
			rec.Allowed = append(rec.Allowed, allowed)
			w.Broker.mu.Lock() // it writes, and then waits to tell
			close(writing)
		})
	}()
	<-writing
	err := w.Broker.vault.Update(t.Context(), func(tx *vault.Tx) error {
		var rec approvalsRecord
		if err := getRecord(tx, approvalsKey, &rec); err != nil {
			return err
		}
		if len(rec.Allowed) != 1 {
			return errors.New("the approval is not in the vault")
		}
		return tx.Put(approvalsKey, approvalsRecord{})
	})
	w.Broker.mu.Unlock()
	if err := errors.Join(err, <-ended); err != nil {
		t.Fatal(err)
	}
	if w.isAllowed(allowed.id()) {
		t.Error("the program is allowed again")
	}
}

// A call that gives up withdraws the notice of its own question only.
func TestACallThatGivesUpLeavesAnothersQuestion(t *testing.T) {
	w := newWorld(t)
	a := &local.Approval{ID: "a1b2c3d4", State: local.ApprovalWaiting, Program: "/bin/asks", Server: "notes"}
	w.update(func() { w.asks[a.ID] = &ask{Approval: *a} })
	first := w.startWaiting(a.ID)
	w.raiseApproval(a)
	w.update(func() { w.asks[a.ID] = &ask{Approval: *a} }) // allowed, revoked and asked anew
	second := w.startWaiting(a.ID)

	w.notAnswered(a, first)
	w.stopWaiting(a.ID, first)
	if st := w.snapshot(); len(st.Notices) != 1 || second.State != local.ApprovalWaiting {
		t.Errorf("notices %v; the other call's question is %s", st.Notices, second.State)
	}
	w.notAnswered(a, second)
	w.stopWaiting(a.ID, second)
	if st := w.snapshot(); len(st.Notices) != 0 || second.State != local.ApprovalDenied {
		t.Errorf("notices %v; the question that nobody answered is %s", st.Notices, second.State)
	}
}
