package doctor_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ncloudfs/remote"
	"ncloudfs/remote/doctor"
	"ncloudfs/remote/emulator"
)

// findings runs the doctor and returns what it found, by name.
func findings(t *testing.T, o doctor.Options) map[string]doctor.Finding {
	t.Helper()
	o.JSON = true
	out, err := examine(t, o)
	var doc struct{ Checks []doctor.Finding }
	if jsonErr := json.Unmarshal([]byte(out), &doc); err != nil || jsonErr != nil {
		t.Fatalf("%v, %v: %s", err, jsonErr, out)
	}
	found := map[string]doctor.Finding{}
	isProbe := false
	for _, f := range doc.Checks {
		isProbe = isProbe || f.Name == "list buckets" // what is before a mount cannot do without
		if isProbe && f.Effect == "" {
			t.Errorf("no effect: %+v", f)
		}
		found[f.Name] = f
	}
	return found
}

func wantStatus(t *testing.T, found map[string]doctor.Finding, want map[string]doctor.Status) {
	t.Helper()
	for name, status := range want {
		if found[name].Status != status {
			t.Errorf("%s: got %+v, want %s", name, found[name], status)
		}
	}
}

// TestWhatIsDocumentedOnly: the emulator offers nothing beyond NAVER's
// documentation.
func TestWhatIsDocumentedOnly(t *testing.T) {
	_, opts := start(t, emulator.Options{})
	wantStatus(t, findings(t, doctor.Options{Remote: opts}), map[string]doctor.Status{
		"list buckets": doctor.OK, "read ACLs": doctor.OK, "list v2": doctor.Absent, "next marker": doctor.OK,
		"read after write": doctor.OK, "conditional put": doctor.Absent, "parts": doctor.OK, "list parts": doctor.Absent,
		"copy parts": doctor.Absent, "acl kept": doctor.Absent, "metadata": doctor.OK, "names": doctor.OK, "speed": doctor.OK,
	})
}

// TestSmallestPartThatIsTakenIsFound, and used by mounts.
func TestSmallestPartThatIsTakenIsFound(t *testing.T) {
	s, opts := start(t, emulator.Options{})
	s.Faults().Add(emulator.Fault{Operation: emulator.OpCompleteMultipartUpload, Effect: emulator.Refuse, Code: "EntityTooSmall", Count: 1})
	memory := doctor.Memory{Dir: t.TempDir()}
	f := findings(t, doctor.Options{Remote: opts, Memory: memory})["parts"]
	if f.Status != doctor.OK || !strings.Contains(f.Found, "16MiB") {
		t.Errorf("found %+v", f)
	}
	if got := memory.Recall(s.URL); got.PartSize != 16<<20 {
		t.Errorf("kept: %+v", got)
	}
}

// TestUnconditionalCopiesOfPartsAreNotUsed: they could bring the bytes of a
// version that nobody has opened.
func TestUnconditionalCopiesOfPartsAreNotUsed(t *testing.T) {
	s, opts := start(t, emulator.Options{})
	copies := 0
	opts.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.URL.Query().Get("partNumber") == "" || r.Header.Get("X-Amz-Copy-Source") == "" {
			return http.DefaultTransport.RoundTrip(r)
		}
		copies++
		const doc = `<CopyPartResult><ETag>"0cc175b9c0f1b6a831c399e269772661"</ETag></CopyPartResult>`
		return &http.Response{StatusCode: http.StatusOK, Request: r, Header: http.Header{},
			Body: io.NopCloser(strings.NewReader(doc)), ContentLength: int64(len(doc))}, nil
	})
	memory := doctor.Memory{Dir: t.TempDir()}
	f := findings(t, doctor.Options{Remote: opts, Memory: memory})["copy parts"]
	if f.Status != doctor.Absent || !strings.Contains(f.Found, "if-match is ignored") {
		t.Errorf("found %+v", f)
	}
	if got := memory.Recall(s.URL); got.PartCopy || copies != 2 {
		t.Errorf("kept after %d copies: %+v", copies, got)
	}
}

// TestRestrictedKeysAreEnough: what the keys may not do is no failure.
func TestRestrictedKeysAreEnough(t *testing.T) {
	s, opts := start(t, emulator.Options{NextMarker: emulator.NextMarkerNever})
	for _, op := range []string{emulator.OpListBuckets, emulator.OpHeadBucket, emulator.OpGetObjectACL, emulator.OpPutObjectACL} {
		s.Faults().Add(emulator.Fault{Operation: op, Effect: emulator.Refuse, Code: "AccessDenied"})
	}
	wantStatus(t, findings(t, doctor.Options{Remote: opts}), map[string]doctor.Status{
		"bucket": doctor.OK, "list buckets": doctor.Absent, "read ACLs": doctor.Absent, "next marker": doctor.Absent,
		"acl kept": doctor.Unknown, "metadata": doctor.OK,
	})
}

// TestInterruptedDoctorLeavesNothing: at requests all over a run, before they leave
// and, by turns, before their answers come.
func TestInterruptedDoctorLeavesNothing(t *testing.T) {
	s, opts := start(t, emulator.Options{})
	c, err := remote.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	transport, err := remote.NewTransport(remote.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer transport.CloseIdleConnections()
	isLost := false
	for after := int64(5); ; after += 3 {
		isLost = !isLost
		ctx, cancel := context.WithCancel(t.Context())
		interrupted := opts
		var n atomic.Int64
		interrupted.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
			if n.Add(1) != after {
				return transport.RoundTrip(r)
			}
			if isLost {
				if resp, err := transport.RoundTrip(r); err == nil {
					_ = resp.Body.Close()
				}
			}
			cancel()
			return transport.RoundTrip(r) // fails, but for the cleaning up
		})
		s.ResetCounts()
		err := doctor.Run(ctx, doctor.Options{Remote: interrupted, Bucket: "data", Out: &bytes.Buffer{}})
		cancel()
		nothingLeft(t, c)
		if t.Failed() {
			t.Fatalf("interrupted at request %d: %v", after, err)
		}
		if n.Load() < after {
			return
		}
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestLeftoversOfAKilledDoctorAreRemoved, though not those of one that may
// still run.
func TestLeftoversOfAKilledDoctorAreRemoved(t *testing.T) {
	var ago atomic.Int64
	_, opts := start(t, emulator.Options{Clock: func() time.Time { return time.Now().Add(-time.Duration(ago.Load())) }})
	c, err := remote.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	for key, age := range map[string]time.Duration{".ncloudfs-doctor-OLD/object": 14 * time.Minute, ".ncloudfs-doctor-NEW/object": 0} {
		ago.Store(int64(age)) // requests may be a quarter of an hour off
		if _, err := c.Put(t.Context(), remote.Path{Bucket: "data", Key: key}, strings.NewReader("x"), 1, remote.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	ago.Store(int64(14 * time.Minute))
	if _, err := c.Begin(t.Context(), remote.Path{Bucket: "data", Key: ".ncloudfs-doctor-OLD/upload"}, remote.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	ago.Store(0)
	findings(t, doctor.Options{Remote: opts})
	for u, err := range c.Uploads(t.Context(), "data", "") {
		t.Errorf("left: %+v, %v", u, err)
	}
	page, err := c.ListPage(t.Context(), remote.ListOptions{Bucket: "data"})
	if err != nil || len(page.Objects) != 1 || page.Objects[0].Path.Key != ".ncloudfs-doctor-NEW/object" {
		t.Errorf("left: %+v, %v", page, err)
	}
}

// TestFindingsAreKeptUntilTheyAreCorrected: an answer of NotImplemented takes
// one back, for later mounts too.
func TestFindingsAreKeptUntilTheyAreCorrected(t *testing.T) {
	s, opts := start(t, emulator.Options{})
	memory := doctor.Memory{Dir: t.TempDir()}
	both := remote.Findings{ConditionalPut: true, PartCopy: true}
	if err := memory.Remember(s.URL, both); err != nil {
		t.Fatal(err)
	}
	if got := memory.Recall("http://elsewhere"); got != (remote.Findings{}) {
		t.Errorf("of another endpoint: %+v", got)
	}
	c, err := memory.Client(opts)
	if err != nil {
		t.Fatal(err)
	}
	if c.Findings() != both {
		t.Errorf("recalled: %+v", c.Findings())
	}
	o, err := c.Put(t.Context(), remote.Path{Bucket: "data", Key: "k"}, strings.NewReader("x"), 1, remote.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	u, err := c.Begin(t.Context(), o.Path, remote.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.CopyPart(t.Context(), 1, o, 0, 1); err == nil {
		t.Error("the emulator copies parts")
	}
	want := remote.Findings{ConditionalPut: true}
	if c.Findings() != want || memory.Recall(s.URL) != want {
		t.Errorf("corrected: %+v, kept: %+v", c.Findings(), memory.Recall(s.URL))
	}
	s.Faults().Add(emulator.Fault{Operation: emulator.OpPutObject, Effect: emulator.Refuse, Code: "NotImplemented"})
	if _, err := c.Put(t.Context(), o.Path, strings.NewReader("y"), 1, remote.PutOptions{IfMatch: o.ETag}); err == nil {
		t.Error("no error")
	}
	if memory.Recall(s.URL) != (remote.Findings{}) {
		t.Errorf("kept: %+v", memory.Recall(s.URL))
	}
}
