package bridge

import (
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"keyporter/bridge/frame"
	"keyporter/internal/hint"
)

func TestAuditRecordsWaitForTheAgentAndDropsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		agent := newAgent("http://127.0.0.1/mcp")
		agent.refuse = hint.New(hint.Stopped, "Keyporter is stopped.", "Run keyporter start.")
		var log lockedBuffer
		o := Options{Connect: agent.connect, Server: "acme", Log: slog.New(slog.NewTextHandler(&log, nil)), Now: time.Now}
		a := newAuditor(newLink(t.Context(), &o), time.Now)
		go a.run(t.Context())
		for range auditQueue + 5 {
			a.add(&call{f: frame.Frame{Method: "tools/call", Name: []byte(`"x"`)}, began: time.Now()}, nil)
		}
		<-time.After(10 * time.Minute)
		agent.die(nil)
		<-time.After(auditPause)
		agent.mu.Lock()
		if n := len(agent.records); n != auditQueue+1 || agent.records[0].Event != "records_dropped" || agent.records[0].Outcome != "5" || agent.records[n-1].Name != "x" {
			t.Errorf("%d records, the first is %+v", n, agent.records[0])
		}
		agent.records, agent.refuse = nil, hint.New(hint.Stopped, "Keyporter is stopped.", "Run keyporter start.")
		agent.mu.Unlock()
		a.link.drop(agent)
		a.add(&call{began: time.Now()}, nil)
		a.finish()
		if !strings.Contains(log.String(), "calls are missing from the audit log") || !strings.Contains(log.String(), "count=1") {
			t.Errorf("what is lost is not said: %s", log.String())
		}
	})
}
