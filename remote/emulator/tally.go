package emulator

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// Entry is one line of a server's log of requests.
type Entry struct {
	Operation string `json:"operation"`
	Bucket    string `json:"bucket,omitempty"`
	Key       string `json:"key,omitempty"`
	Status    int    `json:"status"` // as answered, or as would have been if the answer was lost
}

// Traffic counts bytes of bodies, without headers.
type Traffic struct {
	In  int64 `json:"in"`  // received, with the framing of aws-chunked bodies
	Out int64 `json:"out"` // sent
}

// tally counts what a server did.
type tally struct {
	in, out atomic.Int64
	record  bool

	mu     sync.Mutex // guards below
	counts map[string]int
	log    []Entry
}

// begin counts a request when it comes: a stalled one counts too.
func (t *tally) begin(op string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts == nil {
		t.counts = map[string]int{}
	}
	t.counts[op]++
}

// end records a request when it has been answered.
func (t *tally) end(r *request) {
	if !t.record {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.log = append(t.log, Entry{Operation: r.op, Bucket: r.bucket, Key: r.key, Status: r.answer.status})
}

// Counts returns the number of requests that came since the last
// ResetCounts, by operation. Requests refused or stalled count as well.
func (s *Server) Counts() map[string]int {
	s.tally.mu.Lock()
	defer s.tally.mu.Unlock()
	if s.tally.counts == nil {
		return map[string]int{}
	}
	return maps.Clone(s.tally.counts)
}

// Traffic returns the bytes since the last ResetCounts.
func (s *Server) Traffic() Traffic {
	return Traffic{In: s.tally.in.Load(), Out: s.tally.out.Load()}
}

// Log returns the requests in the order in which they were answered since
// the last ResetCounts; it is empty without Options.Record.
func (s *Server) Log() []Entry {
	s.tally.mu.Lock()
	defer s.tally.mu.Unlock()
	return slices.Clone(s.tally.log)
}

// ResetCounts sets counts, traffic and log to nothing.
func (s *Server) ResetCounts() {
	s.tally.mu.Lock()
	defer s.tally.mu.Unlock()
	s.tally.counts, s.tally.log = nil, nil
	s.tally.in.Store(0)
	s.tally.out.Store(0)
}
