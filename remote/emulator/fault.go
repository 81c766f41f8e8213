package emulator

import (
	"strings"
	"sync"
	"time"
)

// Effect is what goes wrong.
type Effect string

const (
	// Refuse answers with Status, Code and RetryAfter; nothing is done.
	Refuse Effect = "refuse"
	// StallHeader answers nothing, and does nothing, until the rule is
	// removed, the client goes away or the server is closed; then the
	// request is served as if it had just come. That the client of a request
	// with a body went away is not noticed.
	StallHeader Effect = "stall-header"
	// StallBody stops after Bytes bytes of the answer's body until the rule
	// is removed, the client goes away or the server is closed.
	StallBody Effect = "stall-body"
	// Cut closes the connection after Bytes bytes of the answer's body.
	Cut Effect = "cut"
	// CutHalf closes the connection in the middle of the request's body, and
	// nothing is done; or, if it has none, in the middle of the answer's, or
	// instead of the answer if that has none, either.
	CutHalf Effect = "cut-half"
	// Corrupt inverts the byte at offset Bytes of the answer's body.
	Corrupt Effect = "corrupt"
	// ErrorBody answers 200 with an error document of Code; nothing is done.
	ErrorBody Effect = "error-body"
	// Lose does the work and closes the connection instead of answering.
	Lose Effect = "lose"
	// LoseLate takes the whole request, closes the connection instead of
	// answering, and does the work After later (default 5 s).
	LoseLate Effect = "lose-late"
	// Delay does the work at once and answers After later.
	Delay Effect = "delay"
)

func (e Effect) known() bool {
	switch e {
	case Refuse, StallHeader, StallBody, Cut, CutHalf, Corrupt, ErrorBody, Lose, LoseLate, Delay:
		return true
	}
	return false
}

// Fault is a rule: requests that match it go wrong. An empty matching field
// matches everything.
type Fault struct {
	Operation string `json:"operation,omitempty"` // e.g. OpGetObject
	Bucket    string `json:"bucket,omitempty"`
	Key       string `json:"key,omitempty"`       // exactly this key; of a ListObjects, this prefix
	KeyPrefix string `json:"keyPrefix,omitempty"` // keys that begin so

	Skip  int `json:"skip,omitempty"`  // let so many matching requests pass first
	Every int `json:"every,omitempty"` // then hit each n-th matching request; default each
	Count int `json:"count,omitempty"` // and stop after so many hits; default never

	Effect     Effect        `json:"effect"`
	Status     int           `json:"status,omitempty"`     // HTTP status; default: the code's
	Code       string        `json:"code,omitempty"`       // error code; default InternalError
	RetryAfter time.Duration `json:"retryAfter,omitempty"` // Retry-After header, rounded up to seconds; JSON: nanoseconds
	Bytes      int64         `json:"bytes,omitempty"`      // see Effect
	After      time.Duration `json:"after,omitempty"`      // see Effect; JSON: nanoseconds

	removed chan struct{} // closed when the rule is removed
}

func (f *Fault) matches(op, bucket, key string) bool {
	return (f.Operation == "" || f.Operation == op) &&
		(f.Bucket == "" || f.Bucket == bucket) &&
		(f.Key == "" || f.Key == key) &&
		strings.HasPrefix(key, f.KeyPrefix)
}

// refusal is the fault's error document.
func (f *Fault) refusal() *apiError {
	code := f.Code
	if code == "" {
		code = "InternalError"
	}
	e := refuse(code, "a fault was asked for")
	if f.Status != 0 {
		e.status = f.Status
	}
	e.retryAfter = f.RetryAfter
	return e
}

// Faults are the rules of a server. The first rule that hits a request is the
// one that counts. Safe for concurrent use.
type Faults struct {
	mu    sync.Mutex // guards rules
	rules []*rule
}

type rule struct {
	fault Fault
	seen  int // matching requests
	hits  int
}

func newFaults() *Faults { return &Faults{} }

// Add adds a rule and returns the function that removes it, which releases
// the requests that it stalls.
func (fs *Faults) Add(f Fault) (remove func()) {
	f.removed = make(chan struct{})
	r := &rule{fault: f}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.rules = append(fs.rules, r)
	return func() { fs.drop(func(x *rule) bool { return x == r }) }
}

// Clear removes all rules and releases the requests that they stall.
func (fs *Faults) Clear() { fs.drop(func(*rule) bool { return true }) }

func (fs *Faults) drop(chosen func(*rule) bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	var kept []*rule
	for _, r := range fs.rules {
		if chosen(r) {
			close(r.fault.removed)
		} else {
			kept = append(kept, r)
		}
	}
	fs.rules = kept
}

// take returns the fault of a request that has just come, or nil.
func (fs *Faults) take(op, bucket, key string) *Fault {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	var hit *Fault
	for _, r := range fs.rules {
		if !r.fault.matches(op, bucket, key) {
			continue
		}
		r.seen++
		n := r.seen - r.fault.Skip
		if hit != nil || n <= 0 || n%max(r.fault.Every, 1) != 0 || (r.fault.Count > 0 && r.hits >= r.fault.Count) {
			continue
		}
		r.hits++
		hit = &r.fault
	}
	return hit
}
