package emulator_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"ncloudfs/remote/emulator"
	"ncloudfs/remote/emulator/emulatortest"
)

// lost makes a call whose connection must be closed without an answer.
func lost(t *testing.T, s *emulatortest.Server, c call) {
	t.Helper()
	req := c.request(t, s)
	req.GetBody = nil // net/http must not send it again
	if resp, err := s.HTTP.Client().Do(req); err == nil {
		_ = resp.Body.Close()
		t.Errorf("%s %s: answered %s", c.method, c.path, resp.Status)
	}
}

func TestFaultHitsWhatItNames(t *testing.T) {
	s := withBucket(t, emulator.Options{})
	put(t, s, "/bucket/a/1", "x")
	s.Faults().Add(emulator.Fault{Operation: emulator.OpGetObject, KeyPrefix: "a/", Skip: 1, Every: 2, Count: 2,
		Effect: emulator.Refuse, Code: "SlowDown", RetryAfter: 1500 * time.Millisecond})
	must(t, s, call{method: "GET", path: "/bucket"})
	must(t, s, call{method: "HEAD", path: "/bucket/a/1"})
	var got []int
	for range 7 {
		r := do(t, s, call{method: "GET", path: "/bucket/a/1"})
		if got = append(got, r.status); r.status == 503 && (r.code != "SlowDown" || r.header.Get("Retry-After") != "2") {
			t.Errorf("%s, Retry-After %s", r.code, r.header.Get("Retry-After"))
		}
	}
	s.Faults().Add(emulator.Fault{Operation: emulator.OpListObjects, Key: "a/", Effect: emulator.Refuse, Code: "SlowDown"})
	must(t, s, call{method: "GET", path: "/bucket?prefix=b/"})
	wantCode(t, s, call{method: "GET", path: "/bucket?prefix=a/"}, 503, "SlowDown")
	want := []int{200, 200, 503, 200, 503, 200, 200}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
}

func TestRefusedPutIsNotDone(t *testing.T) {
	s := withBucket(t, emulator.Options{})
	defer s.Faults().Add(emulator.Fault{Operation: emulator.OpPutObject, Effect: emulator.Refuse, Status: 502})()
	if r := do(t, s, call{method: "PUT", path: "/bucket/key", body: strings.Repeat("x", 1<<20)}); r.status != 502 || r.code != "InternalError" {
		t.Errorf("got %d %s", r.status, r.code)
	}
	wantCode(t, s, call{method: "GET", path: "/bucket/key"}, 404, "NoSuchKey")
}

func TestBodyFaults(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		s := withBucket(t, emulator.Options{Dir: dir})
		body := strings.Repeat("0123456789", 20_000)
		put(t, s, "/bucket/key", body)
		get := func(f emulator.Fault) (string, error) {
			f.Operation, f.Key = emulator.OpGetObject, "key"
			defer s.Faults().Add(f)()
			resp, err := s.HTTP.Client().Do(call{method: "GET", path: "/bucket/key"}.request(t, s))
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			b, err := io.ReadAll(resp.Body)
			return string(b), err
		}
		for _, n := range []int64{0, 1, 150_000} {
			if got, err := get(emulator.Fault{Effect: emulator.Cut, Bytes: n}); !errors.Is(err, io.ErrUnexpectedEOF) || got != body[:n] {
				t.Errorf("cut at %d: %d bytes, error %v", n, len(got), err)
			}
			got, err := get(emulator.Fault{Effect: emulator.Corrupt, Bytes: n})
			if err != nil || len(got) != len(body) || got[n] == body[n] || got[:n] != body[:n] || got[n+1:] != body[n+1:] {
				t.Errorf("corrupt at %d: %d bytes, error %v", n, len(got), err)
			}
		}
		if got, err := get(emulator.Fault{Effect: emulator.Cut, Bytes: 1 << 20}); err != nil || got != body {
			t.Errorf("cut behind the end: %d bytes, error %v", len(got), err)
		}
	}
}

func TestStallsEndWhenTheRuleIsRemoved(t *testing.T) {
	for _, effect := range []emulator.Effect{emulator.StallHeader, emulator.StallBody} {
		s := withBucket(t, emulator.Options{})
		put(t, s, "/bucket/key", "0123456789")
		remove := s.Faults().Add(emulator.Fault{Operation: emulator.OpGetObject, Effect: effect, Bytes: 4})
		answered := make(chan reply)
		go func() { answered <- do(t, s, call{method: "GET", path: "/bucket/key"}) }()
		select {
		case r := <-answered:
			t.Errorf("%s: answered %d %q", effect, r.status, r.body)
		case <-time.After(50 * time.Millisecond): // nothing else shows that it stalls
		}
		remove()
		if r := <-answered; r.body != "0123456789" {
			t.Errorf("%s: got %q", effect, r.body)
		}
	}
}

func TestCloseEndsStalls(t *testing.T) {
	s := withBucket(t, emulator.Options{})
	s.Faults().Add(emulator.Fault{Operation: emulator.OpListObjects, Effect: emulator.StallHeader})
	answered := make(chan reply)
	go func() { answered <- do(t, s, call{method: "GET", path: "/bucket"}) }()
	for s.Counts()[emulator.OpListObjects] == 0 {
		time.Sleep(time.Millisecond)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if r := <-answered; r.code != "ServiceUnavailable" {
		t.Errorf("got %d %s", r.status, r.code)
	}
}

func TestErrorBodyComesWithStatus200AndNothingDone(t *testing.T) {
	s := withBucket(t, emulator.Options{})
	put(t, s, "/bucket/key", "x")
	s.Faults().Add(emulator.Fault{Operation: emulator.OpCopyObject, Effect: emulator.ErrorBody})
	r := do(t, s, call{method: "PUT", path: "/bucket/copy", header: map[string]string{"x-amz-copy-source": "/bucket/key"}})
	if r.status != 200 || r.code != "InternalError" {
		t.Errorf("got %d %s", r.status, r.body)
	}
	wantCode(t, s, call{method: "GET", path: "/bucket/copy"}, 404, "NoSuchKey")
}

func TestLostAnswerLeavesTheWorkDone(t *testing.T) {
	s := withBucket(t, emulator.Options{Record: true})
	s.ResetCounts()
	remove := s.Faults().Add(emulator.Fault{Operation: emulator.OpPutObject, Effect: emulator.Lose})
	lost(t, s, call{method: "PUT", path: "/bucket/key", body: "hello"})
	remove()
	if r := must(t, s, call{method: "GET", path: "/bucket/key"}); r.body != "hello" {
		t.Errorf("got %q", r.body)
	}
	want := emulator.Entry{Operation: emulator.OpPutObject, Bucket: "bucket", Key: "key", Status: 200}
	if log := s.Log(); len(log) == 0 || log[0] != want {
		t.Errorf("log %v", log)
	}
}

// Every change: first it is not there, then it is, though nobody asks again.
func TestLateWorkIsDoneAfterTheConnectionWasClosed(t *testing.T) {
	remove := "<Delete><Object><Key>key</Key></Object></Delete>"
	for op, late := range map[string]struct {
		call
		gone bool // what it does to /bucket/key: removed, or made "late"
	}{
		emulator.OpPutObject:               {call{method: "PUT", path: "/bucket/key", body: "late"}, false},
		emulator.OpCopyObject:              {call{method: "PUT", path: "/bucket/key", header: map[string]string{"x-amz-copy-source": "/bucket/source"}}, false},
		emulator.OpDeleteObject:            {call{method: "DELETE", path: "/bucket/key"}, true},
		emulator.OpDeleteObjects:           {call{method: "POST", path: "/bucket?delete=", body: remove, header: map[string]string{"Content-MD5": contentMD5(remove)}}, true},
		emulator.OpCompleteMultipartUpload: {},
	} {
		t.Run(op, func(t *testing.T) {
			t.Parallel()
			s := withBucket(t, emulator.Options{})
			put(t, s, "/bucket/source", "late")
			if op == emulator.OpCompleteMultipartUpload {
				id := begin(t, s, "/bucket/key", nil)
				late.call = completion("/bucket/key", id, 1, uploadPart(t, s, "/bucket/key", id, 1, "late"))
			}
			s.Faults().Add(emulator.Fault{Operation: op, Count: 1, Effect: emulator.LoseLate, After: 100 * time.Millisecond})
			lost(t, s, late.call)
			put(t, s, "/bucket/key", "newer")
			if r := must(t, s, call{method: "GET", path: "/bucket/key"}); r.body != "newer" {
				t.Errorf("at first %q", r.body)
			}
			for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
				r := do(t, s, call{method: "GET", path: "/bucket/key"})
				if late.gone && r.status == 404 || !late.gone && r.body == "late" {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("still %d %q", r.status, r.body)
				}
			}
		})
	}
}

func TestCutInHalf(t *testing.T) {
	s := withBucket(t, emulator.Options{})
	body := strings.Repeat("0123456789", 20_000)
	put(t, s, "/bucket/key", body)
	put(t, s, "/bucket/deleted", "x")
	remove := s.Faults().Add(emulator.Fault{Effect: emulator.CutHalf})
	lost(t, s, call{method: "HEAD", path: "/bucket/key"})
	lost(t, s, call{method: "DELETE", path: "/bucket/deleted"})
	lost(t, s, call{method: "PUT", path: "/bucket/key", body: "not done" + body})
	remove()
	wantCode(t, s, call{method: "GET", path: "/bucket/deleted"}, 404, "NoSuchKey")
	if r := must(t, s, call{method: "GET", path: "/bucket/key"}); r.body != body {
		t.Errorf("%d bytes are stored, want the %d of before", len(r.body), len(body))
	}
	s.Faults().Add(emulator.Fault{Effect: emulator.CutHalf})
	resp, err := s.HTTP.Client().Do(call{method: "GET", path: "/bucket/key"}.request(t, s))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got, err := io.ReadAll(resp.Body); !errors.Is(err, io.ErrUnexpectedEOF) || string(got) != body[:len(body)/2] {
		t.Errorf("%d bytes, error %v", len(got), err)
	}
}

func TestDelayAndLatencyHoldTheAnswerBack(t *testing.T) {
	for _, o := range []emulator.Options{{}, {Latency: 30 * time.Millisecond}} {
		s := emulatortest.Start(t, o)
		if o.Latency == 0 {
			s.Faults().Add(emulator.Fault{Effect: emulator.Delay, After: 30 * time.Millisecond})
		}
		start := time.Now()
		must(t, s, call{method: "PUT", path: "/bucket"})
		if took := time.Since(start); took < 30*time.Millisecond {
			t.Errorf("%+v: took %v", o.Latency, took)
		}
	}
}

func TestBandwidthHoldsBothDirections(t *testing.T) {
	s := withBucket(t, emulator.Options{Bandwidth: 4 << 20})
	body := strings.Repeat("x", 400<<10) // about 98 ms
	for _, c := range []call{{method: "PUT", path: "/bucket/key", body: body}, {method: "GET", path: "/bucket/key"}} {
		start := time.Now()
		must(t, s, c)
		if took := time.Since(start); took < 90*time.Millisecond {
			t.Errorf("%s took %v", c.method, took)
		}
	}
}

func TestTrafficCountsBodies(t *testing.T) {
	s := withBucket(t, emulator.Options{})
	s.ResetCounts()
	put(t, s, "/bucket/key", strings.Repeat("x", 100_000))
	must(t, s, call{method: "GET", path: "/bucket/key", header: map[string]string{"Range": "bytes=0-49999"}})
	want := emulator.Traffic{In: 100_000, Out: 50_000}
	for end := time.Now().Add(5 * time.Second); s.Traffic() != want; time.Sleep(time.Millisecond) { // what was sent counts once it is
		if time.Now().After(end) {
			t.Fatalf("got %+v, want %+v", s.Traffic(), want)
		}
	}
	if c := s.Counts(); c[emulator.OpPutObject] != 1 || c[emulator.OpGetObject] != 1 || len(c) != 2 {
		t.Errorf("got %v", c)
	}
}
