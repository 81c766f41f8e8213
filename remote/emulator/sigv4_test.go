package emulator_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7/pkg/signer"

	"ncloudfs/remote/emulator"
	"ncloudfs/remote/emulator/emulatortest"
)

// NAVER's guide takes SigV4 in the Authorization header, made with minio-go's
// signer here: an implementation that shares nothing with the server's.
func TestSignatureOfAwkwardRequestsIsAccepted(t *testing.T) {
	s := withBucket(t, emulator.Options{})
	for _, path := range []string{
		"/bucket/plain",
		"/bucket/a%20b",
		"/bucket/a+b",
		"/bucket/a%2Bb%25%3F%23",
		"/bucket/%ED%95%9C%EA%B8%80",
		"/bucket//double//slash/",
		"/bucket/dot/./dotdot/../end",
		"/bucket/~tilde_under-dash.dot!'()*",
	} {
		put(t, s, path, path)
		if r := must(t, s, call{method: "GET", path: path}); r.body != path {
			t.Errorf("%s: got %q", path, r.body)
		}
	}
	must(t, s, call{method: "GET", path: "/bucket?prefix=a%2Bb%20c%2F&max-keys=3&delimiter=%2F&marker="})
	must(t, s, call{method: "PUT", path: "/bucket/meta", header: map[string]string{"x-amz-meta-name": "  two   blanks "}})
}

func TestWrongSecretKeyIsSignatureDoesNotMatch(t *testing.T) {
	s := withBucket(t, emulator.Options{})
	thief := emulatortest.Alice()
	thief.SecretKey = "guess"
	wantCode(t, s, call{method: "GET", path: "/bucket", as: thief}, 403, "SignatureDoesNotMatch")
}

func TestUnknownAccessKeyIsInvalidAccessKeyId(t *testing.T) {
	s := withBucket(t, emulator.Options{})
	wantCode(t, s, call{method: "GET", path: "/bucket", as: emulator.Account{ID: "x", AccessKey: "AKX", SecretKey: "SKX"}},
		403, "InvalidAccessKeyId")
}

func TestScopeOfAnotherRegionIsRefused(t *testing.T) {
	s := withBucket(t, emulator.Options{})
	wantCode(t, s, call{method: "GET", path: "/bucket", region: "us-standard"}, 403, "SignatureDoesNotMatch")
}

// NAVER's error table: RequestTimeTooSkewed is 403. The 15 minutes are AWS's.
func TestClockMoreThanFifteenMinutesOffIsRefused(t *testing.T) {
	for _, c := range []struct {
		off time.Duration
		ok  bool
	}{{14 * time.Minute, true}, {-14 * time.Minute, true}, {16 * time.Minute, false}, {-16 * time.Minute, false}} {
		s := emulatortest.Start(t, emulator.Options{Clock: at(time.Now().Add(c.off))})
		if c.ok {
			must(t, s, call{method: "PUT", path: "/bucket"})
		} else {
			wantCode(t, s, call{method: "PUT", path: "/bucket"}, 403, "RequestTimeTooSkewed")
		}
	}
}

func TestChangedRequestDoesNotMatchItsSignature(t *testing.T) {
	s := withBucket(t, emulator.Options{})
	for name, change := range map[string]func(*http.Request){
		"method": func(r *http.Request) { r.Method = "DELETE" },
		"path":   func(r *http.Request) { r.URL.Path = "/bucket/other" },
		"query":  func(r *http.Request) { r.URL.RawQuery = "acl=" },
		"header": func(r *http.Request) { r.Header.Set("x-amz-meta-a", "2") },
		"date":   func(r *http.Request) { r.Header.Set("x-amz-date", time.Now().UTC().Format("20060102T")+"000000Z") },
	} {
		req := call{method: "PUT", path: "/bucket/key", header: map[string]string{"x-amz-meta-a": "1"}}.request(t, s)
		change(req)
		if r := send(t, s, req); r.status != 403 {
			t.Errorf("changed %s: got %d %s", name, r.status, r.code)
		}
	}
}

func TestUnsignedAmzHeaderIsRefused(t *testing.T) {
	s := withBucket(t, emulator.Options{})
	req := call{method: "PUT", path: "/bucket/key"}.request(t, s)
	req.Header.Set("x-amz-acl", "public-read")
	if r := send(t, s, req); r.code != "AccessDenied" {
		t.Errorf("got %d %s", r.status, r.code)
	}
}

// A body that is not the signed one: NAVER's table has no
// XAmzContentSHA256Mismatch, and BadDigest is its code for a wrong sum.
func TestBodyOtherThanItsSignedHashIsBadDigest(t *testing.T) {
	s := withBucket(t, emulator.Options{})
	wantCode(t, s, call{method: "PUT", path: "/bucket/key", body: "body", header: map[string]string{
		"x-amz-content-sha256": strings.Repeat("ab", 32)}}, 400, "BadDigest")
	wantCode(t, s, call{method: "GET", path: "/bucket/key"}, 404, "NoSuchKey")
	must(t, s, call{method: "PUT", path: "/bucket/key", body: "body", header: map[string]string{
		"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}})
}

// Reported of the service: the checksum trailers of new SDKs get 403.
func TestChecksumTrailersAreRefused(t *testing.T) {
	s := withBucket(t, emulator.Options{})
	for _, mode := range []string{"STREAMING-UNSIGNED-PAYLOAD-TRAILER", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"} {
		wantCode(t, s, call{method: "PUT", path: "/bucket/key", body: "x", header: map[string]string{
			"x-amz-content-sha256": mode}}, 403, "AccessDenied")
	}
	wantCode(t, s, call{method: "PUT", path: "/bucket/key", body: "x", header: map[string]string{
		"x-amz-trailer": "x-amz-checksum-crc32"}}, 403, "AccessDenied")
}

// The API guide has no presigned addresses.
func TestPresignedAddressesAreRefused(t *testing.T) {
	s := withBucket(t, emulator.Options{})
	put(t, s, "/bucket/key", "x")
	req, err := http.NewRequestWithContext(t.Context(), "GET", s.URL+"/bucket/key", nil)
	if err != nil {
		t.Fatal(err)
	}
	a := emulatortest.Alice()
	if r := send(t, s, signer.PreSignV4(*req, a.AccessKey, a.SecretKey, "", "kr-standard", 60)); r.code != "AccessDenied" {
		t.Errorf("got %d %s", r.status, r.code)
	}
}

func TestOldSignatureVersionIsRefused(t *testing.T) {
	s := withBucket(t, emulator.Options{})
	wantCode(t, s, call{method: "GET", path: "/bucket", anonymous: true,
		header: map[string]string{"Authorization": "AWS AKALICE:abc="}}, 400, "InvalidRequest")
}

// NAVER's common headers: Content-Length is required.
func TestBodyWithoutLengthIsRefused(t *testing.T) {
	s := withBucket(t, emulator.Options{})
	req := call{method: "PUT", path: "/bucket/key", body: "x"}.request(t, s)
	req.ContentLength = -1
	if r := send(t, s, req); r.status != 411 || r.code != "MissingContentLength" {
		t.Errorf("got %d %s", r.status, r.code)
	}
}
