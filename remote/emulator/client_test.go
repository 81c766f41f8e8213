package emulator_test

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7/pkg/signer"

	"ncloudfs/remote/emulator"
	"ncloudfs/remote/emulator/emulatortest"
)

// call is one request of a test, signed by minio-go's signer.
type call struct {
	method, path string // path with query, as it goes over the wire
	body         string
	header       map[string]string
	as           emulator.Account // default Alice
	anonymous    bool
	region       string // default kr-standard
}

// reply is the answer to a call.
type reply struct {
	status int
	header http.Header
	body   string
	code   string // of an error document
}

func (c call) request(tb testing.TB, s *emulatortest.Server) *http.Request {
	tb.Helper()
	req, err := http.NewRequestWithContext(tb.Context(), c.method, s.URL+c.path, strings.NewReader(c.body))
	if err != nil {
		tb.Fatal(err)
	}
	for name, value := range c.header {
		req.Header.Set(name, value)
	}
	if c.anonymous {
		return req
	}
	as := c.as
	if as.ID == "" {
		as = emulatortest.Alice()
	}
	if c.region == "" {
		c.region = "kr-standard"
	}
	if req.Header.Get("x-amz-content-sha256") == "" {
		sum := sha256.Sum256([]byte(c.body))
		req.Header.Set("x-amz-content-sha256", hex.EncodeToString(sum[:]))
	}
	return signer.SignV4(*req, as.AccessKey, as.SecretKey, "", c.region)
}

func send(tb testing.TB, s *emulatortest.Server, req *http.Request) reply {
	tb.Helper()
	resp, err := s.HTTP.Client().Do(req)
	if err != nil {
		tb.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		tb.Fatal(err)
	}
	r := reply{status: resp.StatusCode, header: resp.Header, body: string(body)}
	var doc struct {
		XMLName xml.Name
		Code    string
	}
	if xml.Unmarshal(body, &doc) == nil && doc.XMLName.Local == "Error" {
		r.code = doc.Code
	}
	return r
}

func do(tb testing.TB, s *emulatortest.Server, c call) reply {
	tb.Helper()
	return send(tb, s, c.request(tb, s))
}

// must makes a call that has to succeed.
func must(tb testing.TB, s *emulatortest.Server, c call) reply {
	tb.Helper()
	r := do(tb, s, c)
	if r.status/100 != 2 {
		tb.Fatalf("%s %s: %d %s", c.method, c.path, r.status, r.body)
	}
	return r
}

// wantCode makes a call that has to fail with an error document.
func wantCode(tb testing.TB, s *emulatortest.Server, c call, status int, code string) {
	tb.Helper()
	if r := do(tb, s, c); r.status != status || r.code != code {
		tb.Errorf("%s %s: got %d %s, want %d %s\n%s", c.method, c.path, r.status, r.code, status, code, r.body)
	}
}

// withBucket starts a server with a bucket of Alice's.
func withBucket(tb testing.TB, o emulator.Options) *emulatortest.Server {
	tb.Helper()
	s := emulatortest.Start(tb, o)
	s.HTTP.Client().Transport.(*http.Transport).ExpectContinueTimeout = time.Minute
	must(tb, s, call{method: "PUT", path: "/bucket"})
	return s
}

// makeOpenBucket makes one that anonymous requests can write to.
func makeOpenBucket(tb testing.TB, s *emulatortest.Server) {
	tb.Helper()
	must(tb, s, call{method: "PUT", path: "/bucket", header: map[string]string{"x-amz-acl": "public-read-write"}})
}

func put(tb testing.TB, s *emulatortest.Server, path, body string) reply {
	tb.Helper()
	return must(tb, s, call{method: "PUT", path: path, body: body})
}

func contentMD5(body string) string {
	sum := md5.Sum([]byte(body))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func hexMD5(parts ...string) string {
	var all bytes.Buffer
	for _, p := range parts {
		all.WriteString(p)
	}
	sum := md5.Sum(all.Bytes())
	return hex.EncodeToString(sum[:])
}

// at is a clock that stands still.
func at(t time.Time) func() time.Time { return func() time.Time { return t } }
