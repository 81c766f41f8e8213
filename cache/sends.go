package cache

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"ncloudfs/remote"
)

// sends remembers what was sent under which key, for as long as it may still
// take effect: a request that got no answer can be carried out after a newer
// one. The zero value is not ready; lateTime must be set. Safe for concurrent
// use.
type sends struct {
	lateTime time.Duration // how long after its end a request may still be carried out

	mu   sync.Mutex
	keys map[string]*sent // guarded by mu
}

// sent is what was sent under one key.
type sent struct {
	active  int           // requests under way
	until   time.Time     // until when one without an answer may take effect; zero: there is none
	etags   []remote.ETag // of the versions that they make
	deletes bool          // one of them deletes
}

func newSends(lateTime time.Duration) *sends {
	return &sends{lateTime: lateTime, keys: map[string]*sent{}}
}

// begin notes a request that makes the version etag of key, or, empty, an
// unknown one. The caller calls end once the request is over.
func (x *sends) begin(key string, etag remote.ETag) (end func()) {
	return x.start(key, func(s *sent) {
		if !slices.Contains(s.etags, etag) {
			s.etags = append(s.etags, etag)
		}
	})
}

// beginDelete is begin for a deletion.
func (x *sends) beginDelete(key string) (end func()) {
	return x.start(key, func(s *sent) { s.deletes = true })
}

func (x *sends) start(key string, note func(*sent)) (end func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	s := x.ofLocked(key)
	s.active++
	note(s)
	return func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		s.active--
		x.tidyLocked(key, s)
	}
}

func (x *sends) ofLocked(key string) *sent {
	s := x.keys[key]
	if s == nil {
		s = &sent{}
		x.keys[key] = s
	}
	return s
}

// unanswered notes that a request for key ended without an answer at at; it
// is what the client calls.
func (x *sends) unanswered(p remote.Path, at time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	s := x.ofLocked(p.Key)
	if until := at.Add(x.lateTime); until.After(s.until) {
		s.until = until
		time.AfterFunc(time.Until(until), func() {
			x.mu.Lock()
			defer x.mu.Unlock()
			x.tidyLocked(p.Key, s)
		})
	}
}

// recall takes up what a crash has left under way: versions of p, an empty one
// for an unknown one.
func (x *sends) recall(p remote.Path, etags ...remote.ETag) {
	end := x.begin(p.Key, etags[0])
	defer end()
	x.unanswered(p, time.Now())
	x.mu.Lock()
	defer x.mu.Unlock()
	s := x.ofLocked(p.Key)
	s.etags = append(s.etags, etags[1:]...)
}

// recallDelete is recall for a deletion, after earlier versions of p.
func (x *sends) recallDelete(p remote.Path, etags ...remote.ETag) {
	end := x.beginDelete(p.Key)
	defer end()
	x.unanswered(p, time.Now())
	x.mu.Lock()
	defer x.mu.Unlock()
	s := x.ofLocked(p.Key)
	s.etags = append(s.etags, etags...)
}

// tidyLocked forgets what can have no effect any more.
func (x *sends) tidyLocked(key string, s *sent) {
	if s.active == 0 && !time.Now().Before(s.until) && x.keys[key] == s {
		delete(x.keys, key)
	}
}

// late returns the versions of key that requests may still bring about.
func (x *sends) late(key string) []remote.ETag {
	x.mu.Lock()
	defer x.mu.Unlock()
	if s := x.keys[key]; s != nil {
		return slices.Clone(s.etags)
	}
	return nil
}

// mayDelete reports whether a request may still delete the object of key.
func (x *sends) mayDelete(key string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	s := x.keys[key]
	return s != nil && s.deletes
}

// doubt is what requests without an answer may still do under a key.
type doubt struct {
	until   time.Time     // zero: nothing
	etags   []remote.ETag // the versions that they may make; an empty one: any
	deletes bool
}

// exists reports whether there is something to be in doubt of.
func (d doubt) exists() bool { return !d.until.IsZero() }

// brings reports whether one of the requests can have made the version etag;
// empty: have deleted the object.
func (d doubt) brings(etag remote.ETag) bool {
	if etag == "" {
		return d.deletes
	}
	return slices.Contains(d.etags, etag) || slices.Contains(d.etags, "")
}

// doubtOf returns what can still happen to the version etag of key; empty: to
// its absence.
func (x *sends) doubtOf(key string, etag remote.ETag) doubt {
	x.mu.Lock()
	defer x.mu.Unlock()
	s := x.keys[key]
	if s == nil || !time.Now().Before(s.until) {
		return doubt{}
	}
	other := slices.ContainsFunc(s.etags, func(e remote.ETag) bool { return e != etag })
	if !other && (!s.deletes || etag == "") {
		return doubt{}
	}
	return doubt{until: s.until, etags: slices.Clone(s.etags), deletes: s.deletes}
}

// settled waits until no request without an answer can take effect under any of
// these keys; one that ends in "/" stands for all below it, too.
func (x *sends) settled(ctx context.Context, keys ...string) error {
	for {
		until := x.latest(keys)
		wait := time.Until(until)
		if wait <= 0 {
			return nil
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (x *sends) latest(keys []string) time.Time {
	x.mu.Lock()
	defer x.mu.Unlock()
	var latest time.Time
	for key, s := range x.keys {
		meets := slices.ContainsFunc(keys, func(k string) bool {
			return k == key || strings.HasSuffix(k, "/") && strings.HasPrefix(key, k)
		})
		if meets && s.until.After(latest) {
			latest = s.until
		}
	}
	return latest
}
