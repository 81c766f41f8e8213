package remote_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ncloudfs/remote"
	"ncloudfs/remote/emulator"
)

// tellings are what a client said about attempts without an answer.
type tellings struct {
	mu   sync.Mutex // guards keys
	keys []string
}

// listen makes c tell l, which checks the times.
func (l *tellings) listen(t *testing.T, c *remote.Client) *remote.Client {
	begin := time.Now()
	c.OnUnanswered(func(p remote.Path, at time.Time) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.keys = append(l.keys, p.Key); at.Before(begin) || at.After(time.Now()) {
			t.Errorf("%s: ended at %v", p, at)
		}
	})
	return c
}

func (l *tellings) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	taken := l.keys
	l.keys = nil
	slices.Sort(taken)
	return taken
}

// mutation is a call that changes keys, by the name of its operation.
type mutation struct {
	op   string
	keys []string
	call func(ctx context.Context) error
}

// mutations are one call of each operation that changes objects, with what it
// needs already there.
func mutations(t *testing.T, c *remote.Client, bucket string) []mutation {
	t.Helper()
	path := func(key string) remote.Path { return remote.Path{Bucket: bucket, Key: key} }
	put(t, c, path("src"), "content", remote.PutOptions{})
	u := begin(t, c, path("u"), remote.PutOptions{})
	part := sendPart(t, u, 1, []byte("part"))
	return []mutation{
		{emulator.OpPutObject, []string{"f"}, func(ctx context.Context) error {
			_, err := c.Put(ctx, path("f"), strings.NewReader("content"), 7, remote.PutOptions{})
			return err
		}},
		{emulator.OpCopyObject, []string{"dst"}, func(ctx context.Context) error {
			_, err := c.Copy(ctx, path("dst"), path("src"), remote.CopyOptions{})
			return err
		}},
		{emulator.OpCompleteMultipartUpload, []string{"u"}, func(ctx context.Context) error {
			_, err := u.Complete(ctx, []remote.Part{part})
			return err
		}},
		{emulator.OpDeleteObject, []string{"dst"}, func(ctx context.Context) error {
			return c.Delete(ctx, path("dst"))
		}},
		{emulator.OpDeleteObjects, []string{"f", "u"}, func(ctx context.Context) error {
			_, err := c.DeleteMany(ctx, bucket, []string{"f", "u"})
			return err
		}},
	}
}

// Each attempt whose answer did not come, or says nothing, is told once for
// each key, though the call then succeeds.
func TestUnansweredAttemptsAreTold(t *testing.T) {
	withFaults(t, func(t *testing.T, s *service, c *remote.Client, bucket string) {
		var told tellings
		told.listen(t, c)
		for _, m := range mutations(t, c, bucket) {
			if keys := told.take(); len(keys) > 0 {
				t.Errorf("before %s: told of %q", m.op, keys)
			}
			for _, f := range []emulator.Fault{
				{Effect: emulator.Refuse, Status: 500},
				{Effect: emulator.Refuse, Status: 502},
				{Effect: emulator.Refuse, Status: 504},
				{Effect: emulator.LoseLate, After: time.Millisecond},
				{Effect: emulator.CutHalf},
				{Effect: emulator.ErrorBody},
				{Effect: emulator.Lose},
			} {
				if m.op == emulator.OpDeleteObject && f.Effect == emulator.ErrorBody {
					continue // its answer has no body
				}
				f.Operation, f.Count = m.op, 1
				remove := s.fault(f)
				err := m.call(t.Context())
				remove()
				if err != nil {
					t.Errorf("%s, %+v: %v", m.op, f, err)
				}
				equalSlices(t, m.op+" with "+string(f.Effect), told.take(), m.keys)
			}
		}
	})
}

// What was refused, never sent, or changes no object, is not told.
func TestAnsweredAttemptsAreNotTold(t *testing.T) {
	withFaults(t, func(t *testing.T, s *service, c *remote.Client, bucket string) {
		var told tellings
		told.listen(t, c)
		for _, m := range mutations(t, c, bucket) {
			for _, code := range []string{"SlowDown", "AccessDenied", "OperationAborted", "RequestTimeout"} {
				remove := s.fault(emulator.Fault{Operation: m.op, Effect: emulator.Refuse, Code: code, Count: 1})
				if err := m.call(t.Context()); code != "AccessDenied" && err != nil {
					t.Errorf("%s, %s: %v", m.op, code, err)
				}
				remove()
			}
			ended, end := context.WithCancel(t.Context())
			end()
			if err := m.call(ended); !errors.Is(err, context.Canceled) {
				t.Errorf("%s with a context that is over: %v", m.op, err)
			}
		}
		for _, op := range []string{emulator.OpGetObject, emulator.OpHeadObject, emulator.OpListObjects, emulator.OpCreateMultipartUpload,
			emulator.OpUploadPart, emulator.OpAbortMultipartUpload, emulator.OpPutObjectACL} {
			s.fault(emulator.Fault{Operation: op, Effect: emulator.Lose, Count: 1})
		}
		p := remote.Path{Bucket: bucket, Key: "src"}
		get(t, c, p)
		listAll(t, c, remote.ListOptions{Bucket: bucket})
		u := begin(t, c, p, remote.PutOptions{})
		sendPart(t, u, 1, []byte("part"))
		_, err := c.Head(t.Context(), p)
		if err := errors.Join(err, u.Abort(t.Context()), c.SetCannedACL(t.Context(), p, remote.PublicRead)); err != nil {
			t.Error(err)
		}
		equalSlices(t, "told", told.take(), nil)
	})
}

// A caller that stops waiting leaves a request behind that may yet be served.
func TestCancelledAttemptIsTold(t *testing.T) {
	withFaults(t, func(t *testing.T, s *service, c *remote.Client, bucket string) {
		var told tellings
		told.listen(t, c)
		for _, m := range mutations(t, c, bucket) {
			remove := s.fault(emulator.Fault{Operation: m.op, Effect: emulator.StallHeader})
			ctx, cancel := context.WithCancel(t.Context())
			before := s.emulator.Counts()[m.op]
			go func() {
				for s.emulator.Counts()[m.op] == before && t.Context().Err() == nil {
					time.Sleep(time.Millisecond)
				}
				cancel()
			}()
			err := m.call(ctx)
			if err == nil && s.name == "emulator-tls" {
				// TLS says goodbye before it closes the connection: the emulator then
				// serves the request, and the answer may still come.
				m.keys = nil
			} else if !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", m.op, err)
			}
			equalSlices(t, m.op, told.take(), m.keys)
			remove()
		}
	})
}

// Nothing was written where no connection came about.
func TestRefusedConnectionIsNotTold(t *testing.T) {
	t.Parallel()
	c, err := remote.New(remote.Options{Endpoint: "http://127.0.0.1:1", Credentials: aliceKeys(), RetryTime: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	var told tellings
	told.listen(t, c)
	p := remote.Path{Bucket: "b", Key: "k"}
	if err := c.Delete(t.Context(), p); err == nil {
		t.Error("deleted")
	}
	if _, err := c.Put(t.Context(), p, strings.NewReader("content"), 7, remote.PutOptions{}); err == nil {
		t.Error("put")
	}
	equalSlices(t, "told", told.take(), nil)
}
