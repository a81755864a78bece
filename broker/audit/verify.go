package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"keyporter/broker/local"
)

// ErrNotBegun is returned by Verify before Begin.
var ErrNotBegun = errors.New("verify audit log: there is no key")

// maxBroken is how many places Verify names.
const maxBroken = 50

// Verify checks each record that the log has now. What is wrong with them is the
// answer; the error is for files that cannot be read.
func (l *Log) Verify(ctx context.Context) (*local.VerifiedLog, error) {
	v, files, sizes, err := l.verifier()
	if err != nil {
		return nil, err
	}
	defer closeAll(files)
	if err := v.through(ctx, files, sizes); err != nil {
		return nil, err
	}
	return v.out, nil
}

// verifier returns what checks the files as they are now, after what waits was
// written if it can be.
func (l *Log) verifier() (*verifier, []*os.File, []int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lost = l.write() // the file may be gone
	if l.chain == nil || l.next != nil {
		return nil, nil, nil, errors.Join(ErrNotBegun, l.lost)
	}
	unwritten := l.unwritten()
	if l.lost != nil && unwritten.Records == 0 {
		return nil, nil, nil, l.lost
	}
	files, sizes, err := l.openAll()
	if err != nil {
		return nil, nil, nil, errors.Join(l.lost, err)
	}
	v := newVerifier(l.chain)
	v.unwritten, v.lost, v.noHead = unwritten, l.lost, l.noHead
	return v, files, sizes, nil
}

// lookThrough checks the files as they are now. l.mu is held.
func (l *Log) lookThrough(ctx context.Context) (*verifier, error) {
	files, sizes, err := l.openAll()
	if err != nil {
		return nil, err
	}
	defer closeAll(files)
	v := newVerifier(l.chain)
	return v, v.through(ctx, files, sizes)
}

// openAll opens all the files, oldest first, with their sizes. l.mu is held.
func (l *Log) openAll() (files []*os.File, sizes []int64, err error) {
	if files, err = l.filesNow(); err != nil {
		return nil, nil, err
	}
	for _, f := range files {
		fi, err := f.Stat()
		if err != nil {
			closeAll(files)
			return nil, nil, fmt.Errorf("read audit log: %w", err)
		}
		sizes = append(sizes, fi.Size())
	}
	return files, sizes, nil
}

// A verifier follows the chain through the files.
type verifier struct {
	chain     chain
	unwritten Loss  // records that are not in the files
	lost      error // why
	noHead    error // why audit.head is behind
	out       *local.VerifiedLog

	file  string
	n     int    // of the line
	begun bool   // a sealed record of this chain was found
	next  uint64 // the number that is expected
	mac   []byte // the last record's, as it stands there
	state []byte // mac, and lines without a seal after it
	loose int    // how many of those

	gaps   int    // places that are broken, but for what was known when they were written
	first  uint64 // the number of the first sealed record
	oldest uint64 // and of the last one in the oldest file
	newer  int64  // how many bytes the sealed records in the other files have
}

func newVerifier(c *chain) *verifier {
	return &verifier{chain: *c, out: &local.VerifiedLog{Broken: []local.BrokenLog{}}}
}

func (v *verifier) through(ctx context.Context, files []*os.File, sizes []int64) error {
	for i, f := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		v.begin(f)
		if err := eachLine(io.LimitReader(f, sizes[i]), v.line); err != nil {
			return err
		}
	}
	v.finish()
	return nil
}

func (v *verifier) begin(f *os.File) {
	v.file, v.n = filepath.Base(f.Name()), 0
	v.out.Files++
}

func (v *verifier) broken(seq uint64, format string, args ...any) {
	v.gaps++
	v.tell(seq, format, args...)
}

// tell is broken for what leaves no gap between the records that are there.
func (v *verifier) tell(seq uint64, format string, args ...any) {
	if len(v.out.Broken) == maxBroken {
		v.out.More++
		return
	}
	v.out.Broken = append(v.out.Broken, local.BrokenLog{File: v.file, Line: v.n, Seq: seq, What: fmt.Sprintf(format, args...)})
}

func (v *verifier) line(line []byte) {
	v.n++
	v.out.Records++
	k := parse(line)
	switch {
	case !v.begun && k.body != nil && k.Prev != nil && k.whole(v.chain.key, k.Prev):
		v.start(&k)
	case !v.begun:
		v.out.Before++
		return
	case k.body == nil:
		v.unsealed(&k)
	default:
		v.sealed(&k)
	}
	switch {
	case k.Event == eventLost:
		v.tell(k.Seq, "%s could not be written here", clean(k.Name))
	case k.Event == eventBroken && k.whole(v.chain.key, k.Prev):
		v.tell(k.Seq, "when Keyporter started here, %s: records may be missing before this one", clean(k.Name))
	}
}

// start takes the oldest record of the chain that is there.
func (v *verifier) start(k *link) {
	if first := v.chain.end.First; k.Seq > first {
		v.tell(first, "%s missing or changed", records(first, k.Seq-1))
	}
	v.begun, v.first = true, k.Seq
	v.take(k)
}

func (v *verifier) take(k *link) {
	v.next, v.mac, v.state, v.loose = k.Seq+1, []byte(k.mac), []byte(k.mac), 0
	if v.out.Files == 1 {
		v.oldest = k.Seq
	} else {
		v.newer += int64(len(k.line)) + 1
	}
}

// unsealed takes a line without a seal, which the next sealed one covers.
func (v *verifier) unsealed(k *link) {
	switch {
	case !k.record:
		v.broken(0, "this line is no record")
	case k.Version > recordVersion:
		v.broken(k.Seq, "this record was written by a newer Keyporter, or changed")
		if k.Seq == v.next {
			v.next++ // it is not missing
		}
	}
	v.loose++
	v.out.Late++
	v.state = covered(v.state, k.line)
}

func (v *verifier) sealed(k *link) {
	switch {
	case k.Seq < v.next:
		v.broken(k.Seq, "record %d stands behind record %d: lines were moved, or put in", k.Seq, v.next-1)
		return
	case k.Seq > v.next:
		v.broken(v.next, "%s missing before this line", records(v.next, k.Seq-1))
	case k.whole(v.chain.key, v.state):
	case v.loose > 0 && k.whole(v.chain.key, v.mac):
		v.broken(k.Seq, "lines that do not belong there stand before record %d", k.Seq)
	case k.Prev != nil && k.whole(v.chain.key, k.Prev):
		v.broken(k.Seq, "what stands before record %d was changed", k.Seq)
	case k.Version > recordVersion:
		v.broken(k.Seq, "record %d was written by a newer Keyporter, or changed", k.Seq)
	default:
		v.broken(k.Seq, "record %d was changed", k.Seq)
	}
	v.take(k)
}

// finish compares the end with the one that is known.
func (v *verifier) finish() {
	end := v.chain.end
	switch {
	case !v.begun && end.Seq >= end.First:
		v.broken(end.First, "record %d is missing or changed, so that none up to record %d can be checked", end.First, end.Seq)
	case !v.begun:
	case v.next <= end.Seq:
		v.broken(v.next, "%s missing at the end", records(v.next, end.Seq))
	case v.loose > 0 && !bytes.Equal(v.state, v.chain.state) && len(v.out.Broken) == 0:
		v.broken(0, "lines that do not belong there stand at the end")
	}
	if v.unwritten.Records > 0 {
		v.tell(0, "%s could not be written yet: %v", v.unwritten, v.lost)
	}
	if v.noHead != nil {
		v.tell(0, "where the log ends is not kept: %v", v.noHead)
	}
}

// records names records by their numbers.
func records(from, to uint64) string {
	if from >= to {
		return fmt.Sprintf("record %d is", from)
	}
	return fmt.Sprintf("records %d to %d are", from, to)
}
