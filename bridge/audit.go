package bridge

import (
	"context"
	"sync/atomic"
	"time"

	"keyporter/bridge/frame"
	"keyporter/broker/local"
)

const (
	auditBatch = 100         // records in one message to the agent
	auditEvery = time.Second // how long a record waits at most
	auditQueue = 4096        // records that wait while the agent is slow
)

// An auditor hands records to the agent in batches, off the way of messages.
type auditor struct {
	link    *link
	now     func() time.Time
	queue   chan local.AuditRecord // never closed
	ending  chan struct{}          // closed by finish
	ended   chan struct{}          // closed by run
	dropped atomic.Int64           // records that found the queue full
}

func newAuditor(l *link, now func() time.Time) *auditor {
	return &auditor{link: l, now: now, queue: make(chan local.AuditRecord, auditQueue), ending: make(chan struct{}), ended: make(chan struct{})}
}

// add notes how a call ended. It never waits.
func (a *auditor) add(c *call, v *view) {
	r := local.AuditRecord{Time: c.began, Event: "call", Method: c.f.Method, Outcome: c.outcome,
		Latency: a.now().Sub(c.began), BytesOut: int64(len(c.f.Raw)), BytesIn: c.received}
	if c.pending != nil {
		r.Method = "batch"
	}
	if r.Outcome == "" {
		r.Outcome = "ok"
	}
	if v != nil && v.state != nil {
		r.Server = v.state.Server
	}
	if name := nameOf(&c.f); name != nil {
		t, _ := frame.Text(name)
		r.Name = clean(t, 200)
	}
	select {
	case a.queue <- r:
	default:
		a.dropped.Add(1)
	}
}

// finish hands over what is left, in five seconds at most.
func (a *auditor) finish() {
	close(a.ending)
	t := time.NewTimer(goodbye)
	defer t.Stop()
	select {
	case <-a.ended:
	case <-t.C:
	}
}

// run hands records over until finish is called or ctx is done.
func (a *auditor) run(ctx context.Context) {
	defer close(a.ended)
	var batch []local.AuditRecord
	timer := time.NewTimer(auditEvery)
	timer.Stop()
	defer timer.Stop()
	for {
		select {
		case r := <-a.queue:
			if batch = append(batch, r); len(batch) == 1 {
				timer.Reset(auditEvery)
			}
			if len(batch) < auditBatch {
				continue
			}
		case <-timer.C:
		case <-a.ending:
			for len(a.queue) > 0 {
				batch = append(batch, <-a.queue)
			}
			a.hand(ctx, batch)
			return
		case <-ctx.Done():
			return
		}
		timer.Stop()
		a.hand(ctx, batch)
		batch = nil
	}
}

func (a *auditor) hand(ctx context.Context, batch []local.AuditRecord) {
	if n := a.dropped.Swap(0); n > 0 {
		a.link.log.Warn("audit records dropped", "count", n)
	}
	if len(batch) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, goodbye)
	defer cancel()
	if err := a.link.ask(ctx, func(agent Agent) error { return agent.Record(ctx, batch) }); err != nil {
		a.link.log.Warn("audit records not handed over", "count", len(batch), "error", err)
	}
}
