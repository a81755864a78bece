package audit

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"

	"keyporter/broker/local"
	"keyporter/broker/secret"
	"keyporter/internal/atomicfile"
)

// A record's seal stands at its end, in this form, and covers the bytes before it:
//
//	{"time":…,"outcome":"ok","seq":12,"mac":"…"}
//
// The first sealed record of a file, and the first after a start, also has "prev":
// what stood before it, so that a file can be checked when older ones are gone.
//
// A chain cannot tell by itself that its end was cut off. So the end is also known
// to the agent while it runs, to audit.head (sealed too, a few seconds behind), and
// to the vault (when the agent ends, and now and then). After a start the numbers go
// on from the highest of these, and what was cut stays missing for good.
const (
	macOpen  = `,"mac":"`
	macClose = `"}`
	macSize  = 64 // hexadecimal of 32 bytes: it looks like no token, which base64 may
	sealSize = len(macOpen) + macSize + len(macClose)
)

// eventBroken is the event of a record which says what was wrong with the log when
// Keyporter started. Verify tells of it until the record is rotated away.
const eventBroken = "log_broken"

// A Point is a place in the log: after the record of this number. The zero Point is
// before the first.
type Point struct {
	Seq   uint64 `json:"seq"`
	MAC   string `json:"mac"`   // of that record
	First uint64 `json:"first"` // the oldest record that has to be there still
}

// A head is audit.head.
type head struct {
	Version int `json:"version"`
	Point
	Sum string `json:"sum"` // seals Point
}

// A chain seals records. The Log's mutex guards it.
type chain struct {
	key   []byte
	end   Point
	state []byte // what the next seal covers besides its record: the end, and lines without a seal after it
	fresh bool   // the next record says what stands before it
	dirty bool   // audit.head is behind
}

// NewKey makes a key for Begin.
func NewKey() secret.Value {
	key := make([]byte, sha256.Size)
	rand.Read(key)
	return secret.New(base64.RawURLEncoding.EncodeToString(key))
}

func sum(key []byte, parts ...[]byte) string {
	m := hmac.New(sha256.New, key)
	for _, p := range parts {
		fmt.Fprintf(m, "%d:", len(p))
		m.Write(p)
	}
	return hex.EncodeToString(m.Sum(nil))
}

// hexBytes stand in hexadecimal in a record, which, unlike base64, never looks like
// a token.
type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) (err error) {
	*h, err = hex.AppendDecode(hexBytes{}, text) // never nil, which says that there is none
	return err
}

// covered is the state after a line without a seal.
func covered(state, line []byte) []byte {
	h := sha256.New()
	fmt.Fprintf(h, "%d:%s%s", len(state), state, line)
	return h.Sum(nil)
}

// A link is a line as the chain sees it.
type link struct {
	line    []byte // without its end
	body    []byte // what the seal covers; nil without one
	mac     string
	Seq     uint64   `json:"seq"`
	Prev    hexBytes `json:"prev"`
	Event   string   `json:"event"`
	Name    string   `json:"name"`
	Version int      `json:"version"` // zero of this program's
	record  bool     // it is one
}

func parse(line []byte) link {
	text, ended := bytes.CutSuffix(line, []byte("\n"))
	k := link{line: text}
	k.record = ended && json.Unmarshal(k.line, &k) == nil
	at := len(k.line) - sealSize
	if !k.record || k.Seq == 0 || at < 0 || !bytes.HasPrefix(k.line[at:], []byte(macOpen)) || !bytes.HasSuffix(k.line, []byte(macClose)) {
		return k
	}
	k.body, k.mac = k.line[:at], string(k.line[at+len(macOpen):len(k.line)-len(macClose)])
	return k
}

// whole reports whether the seal fits the record, with that before it.
func (k *link) whole(key, state []byte) bool {
	return k.body != nil && hmac.Equal([]byte(k.mac), []byte(sum(key, state, k.body)))
}

// seal returns the lines as they are written, and the chain after each of them.
func (c *chain) seal(lines [][]byte) (b []byte, after []chain) {
	if c == nil {
		return append(bytes.Join(lines, []byte("\n")), '\n'), nil
	}
	now := *c
	for _, line := range lines {
		now.end.Seq++
		body := fmt.Appendf(nil, `%s,"seq":%d`, line[:len(line)-1], now.end.Seq)
		if now.fresh {
			body = fmt.Appendf(body, `,"prev":%q`, hex.EncodeToString(now.state))
			now.fresh = false
		}
		now.end.MAC = sum(now.key, now.state, body)
		now.state, now.dirty = []byte(now.end.MAC), true
		b = append(append(append(append(b, body...), macOpen...), now.end.MAC...), macClose+"\n"...)
		after = append(after, now)
	}
	return b, after
}

// advance takes note of what was written of the lines that seal returned.
func (c *chain) advance(written []byte, after []chain) {
	if n := bytes.Count(written, []byte("\n")); c != nil && n > 0 {
		*c = after[n-1]
	}
}

// Begin seals the records that come from now on, with a key that only the vault
// has. last is the end of the log as the vault knows it: the zero Point with a key
// that is new, and what End said after that; lost is what Unwritten said then. What
// is wrong with the end is written into the log. With an error the records wait
// until that is possible.
func (l *Log) Begin(key secret.Value, last Point, lost Loss) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	k, err := base64.RawURLEncoding.DecodeString(key.Reveal())
	if err != nil || len(k) != sha256.Size {
		return errors.New("seal audit log: the key is not one")
	}
	if l.chain != nil && hmac.Equal(l.chain.key, k) {
		return nil // the vault was opened again
	}
	if l.next == nil || !hmac.Equal(l.next.key, k) {
		l.missed.add(lost)
	}
	l.next = &chain{key: k, end: last, fresh: true, dirty: true}
	l.lost = l.write()
	return errors.Join(l.lost, l.keepHead())
}

// begin goes over to the chain that Begin made, at the end of the files. l.mu is held.
func (l *Log) begin() error {
	c := *l.next
	last := c.end
	c.end.First = max(last.First, 1)
	trouble := ""
	switch kept, err := l.readHead(c.key); {
	case err == nil && kept.Seq >= last.Seq:
		c.end = kept
	case last.First == 0: // a new key; what is there belongs to an older one
	case err == nil:
		trouble = "audit.head was older than the vault"
	case errors.Is(err, fs.ErrNotExist):
		trouble = "audit.head was gone"
	default:
		trouble = "audit.head was changed"
	}
	if err := l.catchUp(&c); err != nil {
		return err
	}
	l.chain, l.next = &c, nil
	if trouble == "" {
		return nil
	}
	w, err := newWaiter(&local.AuditRecord{Time: l.opt.Now(), Event: eventBroken, Name: trouble, Outcome: "failed"})
	if err == nil {
		l.waiting = slices.Insert(l.waiting, 0, w)
	}
	return err
}

// catchUp moves a chain to the end of the files: over records that audit.head was
// behind, and lines without a seal.
func (l *Log) catchUp(c *chain) error {
	files, _, err := l.openAll()
	if err != nil {
		return err
	}
	defer closeAll(files)
	end := c.end
	c.state = []byte(end.MAC)
	found := end.Seq == 0
	for _, f := range files {
		err := eachLine(f, func(line []byte) {
			k := parse(line)
			switch {
			case k.body == nil && found:
				c.state = covered(c.state, k.line)
			case k.body == nil:
			case k.mac == end.MAC:
				found, c.state = true, []byte(k.mac)
			case found && k.Seq == c.end.Seq+1 && (k.whole(c.key, c.state) || k.whole(c.key, k.Prev)):
				c.end.Seq, c.end.MAC, c.state = k.Seq, k.mac, []byte(k.mac)
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// End returns the end of the log, for the vault. ok is false before Begin.
func (l *Log) End() (p Point, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.chain != nil && l.next == nil:
		return l.chain.end, true
	case l.next != nil: // the file cannot be written
		return l.next.end, true
	}
	return Point{}, false
}

// Sync writes what waits, makes it durable, and the end known to audit.head.
func (l *Log) Sync() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sync()
}

// sync is Sync with l.mu held.
func (l *Log) sync() error {
	if l.closed {
		return nil
	}
	if l.unread != nil {
		l.full = l.opt.Size // somebody may have mended it
	}
	if len(l.waiting) > 0 || l.missed.Records > 0 || l.lost != nil || l.unread != nil {
		l.lost = l.write()
	}
	return errors.Join(l.lost, l.keepHead())
}

// keepHead makes what was written durable, and the end known to audit.head. l.mu is
// held.
func (l *Log) keepHead() error {
	if l.chain == nil || !l.chain.dirty {
		return nil
	}
	if l.file != nil { // else closeFile has done it
		if err := l.file.Sync(); err != nil { // first: audit.head never knows of a record that a power cut may take
			return fmt.Errorf("write audit log: %w", err)
		}
	}
	l.noHead = l.writeHead(l.chain.end)
	return l.noHead
}

func (l *Log) writeHead(p Point) error {
	text, err := json.Marshal(head{Version: headVersion, Point: p, Sum: p.sum(l.chain.key)})
	if err != nil {
		return err
	}
	if err := atomicfile.WriteFile(l.Head(), append(text, '\n')); err != nil {
		return err
	}
	l.chain.dirty = false
	return nil
}

// Head returns the path of audit.head.
func (l *Log) Head() string { return filepath.Join(filepath.Dir(l.opt.Path), "audit.head") }

func (p Point) sum(key []byte) string {
	return sum(key, fmt.Appendf(nil, "head %d %d %s", p.Seq, p.First, p.MAC))
}

// maxHead is how long audit.head may be, in bytes.
const maxHead = 4096

// headVersion is the newest form of audit.head, and of the seals that it ends, that
// this program reads.
const headVersion = 1

// A NewerError means that a newer version wrote a file of the log, which this one
// leaves alone.
type NewerError struct{ Path string }

func (e *NewerError) Error() string { return filepath.Base(e.Path) + " was written by a newer version" }

func (l *Log) loadHead() (h head, err error) {
	f, err := atomicfile.Open(l.Head())
	if err != nil {
		return h, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxHead))
	if err == nil {
		err = json.Unmarshal(text, &h)
	}
	return h, err
}

func (l *Log) readHead(key []byte) (Point, error) {
	h, err := l.loadHead()
	if err == nil && !hmac.Equal([]byte(h.Sum), []byte(h.Point.sum(key))) {
		err = errors.New("its seal does not fit")
	}
	return h.Point, err
}

// eachLine calls show with the lines of a file from its beginning.
func eachLine(f io.Reader, show func(line []byte)) error {
	r := bufio.NewReaderSize(f, 64<<10)
	for {
		line, err := r.ReadBytes('\n')
		if len(line) > 0 {
			show(line)
		}
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read audit log: %w", err)
		}
	}
}
