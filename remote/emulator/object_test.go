package emulator_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"ncloudfs/remote/emulator"
	"ncloudfs/remote/emulator/emulatortest"
)

func TestObjectCarriesItsHeaders(t *testing.T) {
	now := time.Now().UTC()
	s := withBucket(t, emulator.Options{Clock: at(now)})
	r := must(t, s, call{method: "PUT", path: "/bucket/key", body: "hello", header: map[string]string{
		"Content-Type": "text/x-greeting", "x-amz-meta-Mode": "33188", "Content-MD5": contentMD5("hello")}})
	if got, want := r.header.Get("ETag"), `"`+hexMD5("hello")+`"`; got != want {
		t.Errorf("ETag %s, want the MD5 %s", got, want)
	}
	for _, method := range []string{"GET", "HEAD"} {
		r = must(t, s, call{method: method, path: "/bucket/key"})
		for name, want := range map[string]string{
			"Content-Type": "text/x-greeting", "x-amz-meta-mode": "33188", "Content-Length": "5",
			"Accept-Ranges": "bytes", "ETag": `"` + hexMD5("hello") + `"`,
			"Last-Modified": now.Format(http.TimeFormat), // whole seconds
		} {
			if got := r.header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", method, name, got, want)
			}
		}
	}
}

func TestOpaqueETagsAreNotMD5s(t *testing.T) {
	s := withBucket(t, emulator.Options{OpaqueETags: true})
	etag := put(t, s, "/bucket/key", "hello").header.Get("ETag")
	if len(etag) != 34 || strings.Contains(etag, hexMD5("hello")) {
		t.Errorf("got %s", etag)
	}
	id := begin(t, s, "/bucket/parts", nil)
	must(t, s, completion("/bucket/parts", id, 1, uploadPart(t, s, "/bucket/parts", id, 1, "hello")))
}

func TestDateIsTheServersClock(t *testing.T) {
	now := time.Now().Add(-10 * time.Minute)
	s := withBucket(t, emulator.Options{Clock: at(now)})
	if got := must(t, s, call{method: "HEAD", path: "/bucket"}).header.Get("Date"); got != now.UTC().Format(http.TimeFormat) {
		t.Errorf("got %s", got)
	}
}

// NAVER's PUT Object: Content-MD5 is checked; its table has InvalidDigest for
// a malformed and BadDigest for a wrong one.
func TestContentMD5IsVerified(t *testing.T) {
	s := withBucket(t, emulator.Options{})
	for sum, code := range map[string]string{contentMD5("other"): "BadDigest", "short": "InvalidDigest", "====": "InvalidDigest"} {
		wantCode(t, s, call{method: "PUT", path: "/bucket/key", body: "body",
			header: map[string]string{"Content-MD5": sum}}, 400, code)
	}
	wantCode(t, s, call{method: "GET", path: "/bucket/key"}, 404, "NoSuchKey")
}

// TestETagOfZeros, which is not computed each time.
func TestETagOfZeros(t *testing.T) {
	s := withBucket(t, emulator.Options{})
	zeros := strings.Repeat("\x00", 3<<20)
	for range 2 {
		for _, body := range []string{zeros, zeros + "x", "x" + zeros, zeros[:2<<20], zeros[:1<<20] + "x" + zeros} {
			r := must(t, s, call{method: "PUT", path: "/bucket/key", body: body, header: map[string]string{"Content-MD5": contentMD5(body)}})
			if got, want := r.header.Get("ETag"), `"`+hexMD5(body)+`"`; got != want {
				t.Errorf("%d bytes: ETag %s, want %s", len(body), got, want)
			}
		}
	}
	wantCode(t, s, call{method: "PUT", path: "/bucket/key", body: zeros, header: map[string]string{"Content-MD5": contentMD5("other")}}, 400, "BadDigest")
}

// Keys of at most 1023 bytes are NAVER's (KeyTooLong). Its table has the codes
// of the other two, but 2 KB of metadata and 5 GiB in a PUT are assumed.
func TestLimitsOfAnObject(t *testing.T) {
	s := withBucket(t, emulator.Options{})
	put(t, s, "/bucket/"+strings.Repeat("k", 1023), "")
	wantCode(t, s, call{method: "PUT", path: "/bucket/" + strings.Repeat("k", 1024)}, 400, "KeyTooLong")
	meta := func(n int) map[string]string { return map[string]string{"x-amz-meta-a": strings.Repeat("v", n)} }
	must(t, s, call{method: "PUT", path: "/bucket/key", header: meta(2047)})
	wantCode(t, s, call{method: "PUT", path: "/bucket/key", header: meta(2048)}, 400, "MetadataTooLarge")

	req := call{method: "PUT", path: "/bucket/key", header: map[string]string{"x-amz-content-sha256": "UNSIGNED-PAYLOAD", "Expect": "100-continue"}}.request(t, s)
	req.Body, req.ContentLength = neverRead{t}, 5<<30+1
	if r := send(t, s, req); r.code != "EntityTooLarge" || r.status != 400 {
		t.Errorf("over 5 GiB: %d %s", r.status, r.code)
	}
}

// neverRead is the body of a request that must be refused before it is sent:
// NAVER documents that Expect: 100-continue is honoured.
type neverRead struct{ t *testing.T }

func (n neverRead) Read([]byte) (int, error) {
	n.t.Error("the body was asked for")
	return 0, fmt.Errorf("must not be read")
}

func (neverRead) Close() error { return nil }

func TestExpectContinueIsRefusedBeforeTheBody(t *testing.T) {
	s := withBucket(t, emulator.Options{})
	req := call{method: "PUT", path: "/bucket/key", as: emulatortest.Bob(),
		header: map[string]string{"Expect": "100-continue", "x-amz-content-sha256": "UNSIGNED-PAYLOAD"}}.request(t, s)
	req.Body, req.ContentLength = neverRead{t}, 1000
	if r := send(t, s, req); r.code != "AccessDenied" {
		t.Errorf("got %d %s", r.status, r.code)
	}
}

// NAVER documents no conditions for PUT, and ignores headers it does not
// document.
func TestConditionalPutIsNotConditional(t *testing.T) {
	s := withBucket(t, emulator.Options{})
	put(t, s, "/bucket/key", "old")
	must(t, s, call{method: "PUT", path: "/bucket/key", body: "new", header: map[string]string{"If-None-Match": "*"}})
	if r := must(t, s, call{method: "GET", path: "/bucket/key"}); r.body != "new" {
		t.Errorf("got %q", r.body)
	}
}

// NAVER's GET Object takes Range; its table has 416 InvalidRange.
func TestRanges(t *testing.T) {
	s := withBucket(t, emulator.Options{})
	put(t, s, "/bucket/key", "0123456789")
	put(t, s, "/bucket/empty", "")
	for header, want := range map[string]string{
		"bytes=0-0": "0", "bytes=3-5": "345", "bytes=7-": "789", "bytes=8-100": "89", "bytes=-3": "789",
		"bytes=-100": "0123456789", "bytes=0-": "0123456789",
	} {
		r := must(t, s, call{method: "GET", path: "/bucket/key", header: map[string]string{"Range": header}})
		first := strings.Index("0123456789", want)
		if r.status != 206 || r.body != want || r.header.Get("Content-Range") != fmt.Sprintf("bytes %d-%d/10", first, first+len(want)-1) {
			t.Errorf("%s: %d %q %s", header, r.status, r.body, r.header.Get("Content-Range"))
		}
	}
	for _, header := range []string{"bytes=a-b", "bytes=5-3", "items=0-1", "bytes=0-1,3-4"} {
		if r := must(t, s, call{method: "GET", path: "/bucket/key", header: map[string]string{"Range": header}}); r.status != 200 || len(r.body) != 10 {
			t.Errorf("%s is not one range, but: %d %q", header, r.status, r.body)
		}
	}
	wantCode(t, s, call{method: "GET", path: "/bucket/key", header: map[string]string{"Range": "bytes=10-"}}, 416, "InvalidRange")
	wantCode(t, s, call{method: "GET", path: "/bucket/empty", header: map[string]string{"Range": "bytes=0-"}}, 416, "InvalidRange")
}

// NAVER's GET and HEAD Object: If-Match, If-None-Match, If-Modified-Since,
// If-Unmodified-Since.
func TestConditionsOfReads(t *testing.T) {
	now := time.Now().UTC()
	s := withBucket(t, emulator.Options{Clock: at(now)})
	etag := put(t, s, "/bucket/key", "hello").header.Get("ETag")
	before, later := now.Add(-time.Hour).Format(http.TimeFormat), now.Add(time.Minute).Format(http.TimeFormat)
	same := now.Format(http.TimeFormat)
	for _, c := range []struct {
		headers map[string]string
		status  int
	}{
		{map[string]string{"If-Match": etag}, 200},
		{map[string]string{"If-Match": strings.Trim(etag, `"`)}, 200},
		{map[string]string{"If-Match": `"other"`}, 412},
		{map[string]string{"If-None-Match": etag}, 304},
		{map[string]string{"If-None-Match": `"other"`}, 200},
		{map[string]string{"If-Modified-Since": before}, 200},
		{map[string]string{"If-Modified-Since": same}, 304},
		{map[string]string{"If-Unmodified-Since": before}, 412},
		{map[string]string{"If-Unmodified-Since": later}, 200},
		{map[string]string{"If-Match": etag, "If-Unmodified-Since": before}, 200},
		{map[string]string{"If-None-Match": `"other"`, "If-Modified-Since": later}, 200},
	} {
		for _, method := range []string{"GET", "HEAD"} {
			if r := do(t, s, call{method: method, path: "/bucket/key", header: c.headers}); r.status != c.status {
				t.Errorf("%s %v: got %d, want %d", method, c.headers, r.status, c.status)
			}
		}
	}
}

func TestHeadErrorHasNoBodyButARequestID(t *testing.T) {
	s := withBucket(t, emulator.Options{})
	r := do(t, s, call{method: "HEAD", path: "/bucket/absent"})
	if r.status != 404 || r.body != "" || r.header.Get("x-amz-request-id") == "" {
		t.Errorf("%d %q %v", r.status, r.body, r.header)
	}
	r = do(t, s, call{method: "GET", path: "/bucket/absent"})
	for _, want := range []string{"<Code>NoSuchKey</Code>", "<Message>", "<Resource>/bucket/absent</Resource>",
		"<RequestId>" + r.header.Get("x-amz-request-id") + "</RequestId>"} {
		if !strings.Contains(r.body, want) {
			t.Errorf("the error document lacks %s: %s", want, r.body)
		}
	}
}

// NAVER's PUT Object - Copy; its note that the ACL of the source is not
// copied but set to private. That a copy onto itself must replace the metadata
// is AWS's rule, assumed here.
func TestCopy(t *testing.T) {
	s := withBucket(t, emulator.Options{})
	etag := must(t, s, call{method: "PUT", path: "/bucket/a%2Bb", body: "hello", header: map[string]string{
		"Content-Type": "text/one", "x-amz-meta-a": "1", "x-amz-acl": "public-read"}}).header.Get("ETag")
	source := func(more ...string) map[string]string {
		h := map[string]string{"x-amz-copy-source": "/bucket/a%2Bb", "Content-Type": "text/two", "x-amz-meta-b": "2"}
		for i := 0; i < len(more); i += 2 {
			h[more[i]] = more[i+1]
		}
		return h
	}
	r := must(t, s, call{method: "PUT", path: "/bucket/copy", header: source()})
	if !strings.Contains(r.body, "<CopyObjectResult") || !strings.Contains(r.body, "<LastModified>") ||
		!strings.Contains(r.body, strings.Trim(etag, `"`)) {
		t.Errorf("got %s", r.body)
	}
	r = must(t, s, call{method: "GET", path: "/bucket/copy"})
	if r.body != "hello" || r.header.Get("Content-Type") != "text/one" || r.header.Get("x-amz-meta-a") != "1" || r.header.Get("x-amz-meta-b") != "" {
		t.Errorf("COPY: %q %v", r.body, r.header)
	}
	wantCode(t, s, call{method: "GET", path: "/bucket/copy", anonymous: true}, 403, "AccessDenied")
	must(t, s, call{method: "PUT", path: "/bucket/copy", header: source("x-amz-metadata-directive", "REPLACE", "x-amz-acl", "public-read")})
	r = must(t, s, call{method: "GET", path: "/bucket/copy", anonymous: true})
	if r.header.Get("Content-Type") != "text/two" || r.header.Get("x-amz-meta-a") != "" || r.header.Get("x-amz-meta-b") != "2" {
		t.Errorf("REPLACE: %v", r.header)
	}
	wantCode(t, s, call{method: "PUT", path: "/bucket/a%2Bb", header: source()}, 400, "InvalidRequest")
	must(t, s, call{method: "PUT", path: "/bucket/a%2Bb", header: source("x-amz-metadata-directive", "REPLACE")})
	wantCode(t, s, call{method: "PUT", path: "/bucket/c", header: source("x-amz-metadata-directive", "MOVE")}, 400, "InvalidArgument")
	wantCode(t, s, call{method: "PUT", path: "/bucket/c", header: source("x-amz-copy-source-if-match", `"x"`)}, 412, "PreconditionFailed")
	wantCode(t, s, call{method: "PUT", path: "/bucket/c", header: source("x-amz-copy-source-if-none-match", etag)}, 412, "PreconditionFailed")
	must(t, s, call{method: "PUT", path: "/bucket/c", header: source("x-amz-copy-source-if-match", etag)})
	wantCode(t, s, call{method: "PUT", path: "/bucket/c", header: map[string]string{"x-amz-copy-source": "/bucket/absent"}}, 404, "NoSuchKey")
	wantCode(t, s, call{method: "PUT", path: "/bucket/c", header: map[string]string{"x-amz-copy-source": "/absent/key"}}, 404, "NoSuchBucket")
	wantCode(t, s, call{method: "PUT", path: "/bucket/c", header: map[string]string{"x-amz-copy-source": "nonsense"}}, 400, "InvalidArgument")
}

func TestDeleteOfAnAbsentObjectSucceeds(t *testing.T) {
	s := withBucket(t, emulator.Options{})
	put(t, s, "/bucket/key", "x")
	for range 2 {
		if r := do(t, s, call{method: "DELETE", path: "/bucket/key"}); r.status != 204 {
			t.Errorf("got %d", r.status)
		}
	}
	wantCode(t, s, call{method: "GET", path: "/bucket/key"}, 404, "NoSuchKey")
}

// NAVER's DELETE Multiple Objects: Content-MD5 required, at most 1000 keys.
// That quiet mode reports failures only is S3's rule.
func TestDeleteMultiple(t *testing.T) {
	s := withBucket(t, emulator.Options{})
	put(t, s, "/bucket/a%26b", "x")
	put(t, s, "/bucket/c", "x")
	body := func(quiet bool, keys ...string) call {
		b := fmt.Sprintf("<Delete><Quiet>%v</Quiet>", quiet)
		for _, k := range keys {
			b += "<Object><Key>" + k + "</Key></Object>"
		}
		b += "</Delete>"
		return call{method: "POST", path: "/bucket?delete", body: b, header: map[string]string{"Content-MD5": contentMD5(b)}}
	}
	r := must(t, s, body(false, "a&amp;b", "absent"))
	if strings.Count(r.body, "<Deleted>") != 2 || !strings.Contains(r.body, "<Key>a&amp;b</Key>") {
		t.Errorf("got %s", r.body)
	}
	if r := must(t, s, body(true, "c")); strings.Contains(r.body, "Deleted>") {
		t.Errorf("quiet: got %s", r.body)
	}
	wantCode(t, s, call{method: "GET", path: "/bucket/c"}, 404, "NoSuchKey")
	wantCode(t, s, body(false, make([]string, 1001)...), 400, "MalformedXML")
	wantCode(t, s, body(false), 400, "MalformedXML")
	without := body(false, "a")
	without.header = nil
	wantCode(t, s, without, 400, "InvalidRequest")
	wrong := body(false, "a")
	wrong.header["Content-MD5"] = contentMD5("other")
	wantCode(t, s, wrong, 400, "BadDigest")
	bob := body(false, "a")
	bob.as = emulatortest.Bob()
	if r := must(t, s, bob); strings.Count(r.body, "<Code>AccessDenied</Code>") != 1 {
		t.Errorf("bob: got %s", r.body)
	}
}
