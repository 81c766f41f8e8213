package emulator_test

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7/pkg/signer"

	"ncloudfs/remote/emulator"
	"ncloudfs/remote/emulator/emulatortest"
)

// chunked is an aws-chunked PUT as minio-go frames it, already framed so
// that a test can damage it.
func chunked(t *testing.T, s *emulatortest.Server, body string) (*http.Request, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "PUT", s.URL+"/bucket/key", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	a := emulatortest.Alice()
	signed := signer.StreamingSignV4(req, a.AccessKey, a.SecretKey, "", "kr-standard", int64(len(body)), time.Now().UTC(), sha256Hasher{newSHA256()})
	framed, err := io.ReadAll(signed.Body)
	if err != nil {
		t.Fatal(err)
	}
	return signed, framed
}

func TestChunkedBodyIsVerifiedChunkByChunk(t *testing.T) {
	body := strings.Repeat("0123456789", 20_000) // four chunks of 64 KiB
	for name, c := range map[string]struct {
		damage func(framed []byte) []byte
		status int
		code   string
	}{
		"whole":              {func(b []byte) []byte { return b }, 200, ""},
		"wrong byte of data": {func(b []byte) []byte { b[70_000] ^= 1; return b }, 403, "SignatureDoesNotMatch"},
		"wrong signature": {func(b []byte) []byte {
			return bytes.Replace(b, []byte("chunk-signature="), []byte("chunk-signature=0"), 1)
		}, 403, "SignatureDoesNotMatch"},
		"last chunk missing":  {func(b []byte) []byte { return b[:bytes.LastIndex(b, []byte("0;chunk"))] }, 400, "IncompleteBody"},
		"not chunked at all":  {func(b []byte) []byte { return []byte(body + "\n") }, 400, "InvalidRequest"},
		"bytes after the end": {func(b []byte) []byte { return append(b, "more"...) }, 400, "InvalidRequest"},
	} {
		t.Run(name, func(t *testing.T) {
			s := withBucket(t, emulator.Options{})
			req, framed := chunked(t, s, body)
			framed = c.damage(framed)
			req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(framed)), int64(len(framed))
			if r := send(t, s, req); r.status != c.status || r.code != c.code {
				t.Errorf("got %d %q, want %d %q: %s", r.status, r.code, c.status, c.code, r.body)
			}
			r := do(t, s, call{method: "GET", path: "/bucket/key"})
			if stored := r.status == 200; stored != (c.code == "") || stored && r.body != body {
				t.Errorf("afterwards GET answers %d with %d bytes", r.status, len(r.body))
			}
		})
	}
}

func TestChunkedBodyOfAnotherLengthIsIncomplete(t *testing.T) {
	s := withBucket(t, emulator.Options{})
	req, framed := chunked(t, s, "twelve bytes")
	// The decoded length is signed: sign a wrong one.
	a := emulatortest.Alice()
	req.Header.Set("x-amz-decoded-content-length", strconv.Itoa(11))
	req.Header.Set("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
	req = signer.SignV4(*req, a.AccessKey, a.SecretKey, "", "kr-standard")
	req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(framed)), int64(len(framed))
	if r := send(t, s, req); r.status/100 != 4 {
		t.Errorf("got %d", r.status)
	}
}
