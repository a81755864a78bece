package bridge

import (
	"context"
	"strconv"
	"sync"
	"time"

	"keyporter/bridge/frame"
	"keyporter/broker/local"
	"keyporter/broker/secret"
)

const (
	auditBatch = 100              // records that are handed over at once
	auditEvery = time.Second      // how long a record waits at most
	auditQueue = 4096             // records that wait while the agent is slow or away
	auditPause = 30 * time.Second // the longest pause between attempts that fail
)

// An auditor hands records to the agent in batches, off the way of messages.
// While the agent is away they wait. What does not fit is counted, and the count
// is the first record that follows.
type auditor struct {
	link   *link
	now    func() time.Time
	news   chan struct{}      // has a value when there are records, and when they fill a batch
	asked  chan chan struct{} // asks run to hand over; what it carries is closed then
	agent  chan struct{}      // has a value when an agent has been joined
	ending chan struct{}      // closed by finish
	ended  chan struct{}      // closed by run

	mu      sync.Mutex
	queue   []local.AuditRecord
	dropped int
}

func newAuditor(l *link, now func() time.Time) *auditor {
	return &auditor{link: l, now: now, news: make(chan struct{}, 1), asked: make(chan chan struct{}), agent: make(chan struct{}, 1), ending: make(chan struct{}), ended: make(chan struct{})}
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
		r.Name = secret.Quote(t, 200)
	}
	a.mu.Lock()
	n := len(a.queue)
	if n < auditQueue {
		a.queue = append(a.queue, r)
	} else {
		a.dropped++
	}
	a.mu.Unlock()
	if n == 0 || n == auditBatch-1 {
		select {
		case a.news <- struct{}{}:
		default:
		}
	}
}

// flush hands over what waits, now. It returns when that was tried or ctx ends.
func (a *auditor) flush(ctx context.Context) { askFor(ctx, a.asked, a.ended) }

// askFor asks a goroutine to do something now, and waits until it has, it has
// ended, or ctx does.
func askFor(ctx context.Context, ask chan<- chan struct{}, ended <-chan struct{}) {
	done := make(chan struct{})
	select {
	case ask <- done:
	case <-ended:
		return
	case <-ctx.Done():
		return
	}
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// again says that there is an agent: what could not be handed over can be now.
func (a *auditor) again() {
	select {
	case a.agent <- struct{}{}:
	default:
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
	timer := time.NewTimer(auditEvery)
	timer.Stop()
	defer timer.Stop()
	for failures := 0; ; {
		var done chan struct{}
		select {
		case <-ctx.Done():
			return
		case <-a.ending:
			if err := a.hand(ctx); err != nil {
				a.lose(err)
			}
			return
		case <-a.news:
			if failures > 0 || a.waiting() < auditBatch {
				if failures == 0 {
					timer.Reset(auditEvery)
				}
				continue
			}
		case <-timer.C:
		case done = <-a.asked:
		case <-a.agent:
			if failures == 0 {
				continue
			}
		}
		timer.Stop()
		err := a.hand(ctx)
		if done != nil {
			close(done)
		}
		if err != nil {
			a.link.log.Debug("audit records wait", "error", err)
			timer.Reset(min(auditEvery<<min(failures, 8), auditPause))
			failures++
			continue
		}
		failures = 0
		if a.waiting() > 0 { // came meanwhile, and may not have been announced
			timer.Reset(auditEvery)
		}
	}
}

func (a *auditor) waiting() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.queue)
}

// hand gives the agent what waits. What it does not take stays in the queue.
func (a *auditor) hand(ctx context.Context) error {
	a.mu.Lock()
	batch, dropped := a.queue, a.dropped
	a.queue, a.dropped = nil, 0
	a.mu.Unlock()
	if len(batch) == 0 {
		return nil
	}
	records := batch
	if dropped > 0 {
		a.link.log.Warn("audit records dropped", "count", dropped)
		first := local.AuditRecord{Time: batch[0].Time, Event: "records_dropped", Server: batch[0].Server, Outcome: strconv.Itoa(dropped)}
		records = append([]local.AuditRecord{first}, batch...)
	}
	ctx, cancel := context.WithTimeout(ctx, goodbye)
	defer cancel()
	err := a.link.ask(ctx, func(agent Agent) error { return agent.Record(ctx, records) })
	if err != nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		room := max(auditQueue-len(batch), 0)
		if over := len(a.queue) - room; over > 0 {
			a.dropped += over
			a.queue = a.queue[:room]
		}
		a.dropped += dropped
		a.queue = append(batch, a.queue...)
	}
	return err
}

// lose says what is lost because the bridge ends while there is no agent.
func (a *auditor) lose(err error) {
	a.mu.Lock()
	count := len(a.queue) + a.dropped
	a.mu.Unlock()
	a.link.log.Warn("calls are missing from the audit log: there is no agent to record them", "count", count, "error", err)
}
