package doctor_test

import (
	"bytes"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"ncloudfs/remote"
	"ncloudfs/remote/doctor"
	"ncloudfs/remote/emulator"
	"ncloudfs/remote/emulator/emulatortest"
)

// start serves an emulator with a bucket "data" of alice's.
func start(t *testing.T, o emulator.Options) (*emulatortest.Server, remote.Options) {
	t.Helper()
	s := emulatortest.Start(t, o)
	opts := asAccount(s.URL, emulatortest.Alice())
	c, err := remote.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.MakeBucket(t.Context(), "data", ""); err != nil {
		t.Fatal(err)
	}
	return s, opts
}

func asAccount(url string, a emulator.Account) remote.Options {
	return remote.Options{Endpoint: url, Region: "kr", Credentials: remote.Credentials{
		AccessKey: a.AccessKey, SecretKey: remote.Secret(a.SecretKey), Source: "the test's keys"}}
}

// examine runs the doctor and returns what it printed.
func examine(t *testing.T, o doctor.Options) (string, error) {
	t.Helper()
	var out bytes.Buffer
	o.Out = &out
	if o.Bucket == "" {
		o.Bucket = "data"
	}
	err := doctor.Run(t.Context(), o)
	return out.String(), err
}

func TestHealthyBucketPassesAndKeepsNothing(t *testing.T) {
	_, opts := start(t, emulator.Options{})
	for _, prefix := range []string{"", "some/prefix/"} {
		out, err := examine(t, doctor.Options{Remote: opts, Prefix: prefix})
		if err != nil || strings.Contains(out, "✗") || strings.Count(out, "✓") < 12 {
			t.Errorf("prefix %q: %v\n%s", prefix, err, out)
		}
		if strings.Contains(out, emulatortest.Alice().SecretKey) {
			t.Errorf("the secret is shown:\n%s", out)
		}
	}
	c, err := remote.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	nothingLeft(t, c)
}

// nothingLeft looks for objects and unfinished uploads.
func nothingLeft(t *testing.T, c *remote.Client) {
	t.Helper()
	page, err := c.ListPage(t.Context(), remote.ListOptions{Bucket: "data"})
	if err != nil || len(page.Objects) != 0 {
		t.Errorf("left behind: %+v, %v", page, err)
	}
	for u, err := range c.Uploads(t.Context(), "data", "") {
		t.Errorf("left behind: %+v, %v", u, err)
	}
}

func TestReadOnlyWritesNothing(t *testing.T) {
	s, opts := start(t, emulator.Options{})
	out, err := examine(t, doctor.Options{Remote: opts, ReadOnly: true})
	if err != nil || strings.Contains(out, "put") {
		t.Errorf("%v\n%s", err, out)
	}
	if n := s.Counts()[emulator.OpPutObject]; n != 0 {
		t.Errorf("%d puts", n)
	}
}

func TestScratchObjectIsRemovedWhenReadingFails(t *testing.T) {
	s, opts := start(t, emulator.Options{})
	s.Faults().Add(emulator.Fault{Operation: emulator.OpGetObject, Effect: emulator.Refuse, Code: "AccessDenied"})
	out, err := examine(t, doctor.Options{Remote: opts})
	if err == nil || !strings.Contains(out, "✗ get") || !strings.Contains(out, "✓ delete") {
		t.Errorf("%v\n%s", err, out)
	}
	c, err := remote.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	nothingLeft(t, c)
}

func TestWhatIsWrongIsSaidWithWhatToDo(t *testing.T) {
	s, alice := start(t, emulator.Options{})
	late := alice
	late.Endpoint = startLate(t, time.Hour+30*time.Second) // the Date header has whole seconds
	wrongSecret, unknownKey, refused, nowhere, anonymous, tls := alice, alice, alice, alice, alice, alice
	wrongSecret.Credentials.SecretKey = "wrong"
	unknownKey.Credentials.AccessKey = "unknown"
	refused.Endpoint = "http://" + closedPort(t)
	nowhere.Endpoint = "http://no-such-host.invalid"
	anonymous.Credentials = remote.Credentials{Anonymous: true}
	tls.Endpoint = strings.Replace(s.URL, "http:", "https:", 1)
	for _, test := range []struct {
		name, bucket, want string
		o                  remote.Options
	}{
		{"wrong secret key", "data", "secret key", wrongSecret},
		{"unknown access key", "data", "no such access key", unknownKey},
		{"wrong bucket", "other", "check the name", alice},
		{"somebody else's bucket", "data", "the keys are from the test's keys", asAccount(s.URL, emulatortest.Bob())},
		{"no keys for a private bucket", "data", "--anonymous", anonymous},
		{"clock off", "data", "is 1h0m", late},
		{"nobody listens", "data", "nobody listens", refused},
		{"no such host", "data", "no such host", nowhere},
		{"no TLS", "data", "http://", tls},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			err := doctor.Probe(t.Context(), test.o, test.bucket, "")
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("probe says %v, want %q", err, test.want)
			}
			out, err := examine(t, doctor.Options{Remote: test.o, Bucket: test.bucket})
			if err == nil || !strings.Contains(out, test.want) || strings.Count(out, "✗") != 1 {
				t.Errorf("%v, want %q\n%s", err, test.want, out)
			}
		})
	}
}

// startLate serves an emulator whose clock is ahead of this machine's.
func startLate(t *testing.T, ahead time.Duration) string {
	t.Helper()
	now := func() time.Time { return time.Now().Add(ahead) }
	s := emulatortest.Start(t, emulator.Options{Clock: now})
	dated := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", now().UTC().Format(http.TimeFormat))
		s.ServeHTTP(w, r)
	}))
	t.Cleanup(dated.Close)
	return dated.URL
}

// closedPort returns an address where nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
