// Package emulatortest starts an emulator on a loopback port for a test, as
// net/http/httptest does for a handler.
package emulatortest

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"ncloudfs/remote/emulator"
)

// Alice is the first account of a server that was started without any.
func Alice() emulator.Account {
	return emulator.Account{ID: "ncp-1-0", DisplayName: "alice", AccessKey: "AKALICE", SecretKey: "SKALICE"}
}

// Bob is the second.
func Bob() emulator.Account {
	return emulator.Account{ID: "ncp-2-0", DisplayName: "bob", AccessKey: "AKBOB", SecretKey: "SKBOB"}
}

// Server is an emulator that listens on loopback.
type Server struct {
	*emulator.Server
	HTTP *httptest.Server // HTTP.Client() trusts the certificate of StartTLS
	URL  string           // endpoint, path style
}

// Start serves HTTP until the test ends. Without accounts in o it has Alice
// and Bob.
func Start(tb testing.TB, o emulator.Options) *Server {
	tb.Helper()
	return start(tb, o, httptest.NewServer)
}

// StartTLS serves HTTPS.
func StartTLS(tb testing.TB, o emulator.Options) *Server {
	tb.Helper()
	return start(tb, o, httptest.NewTLSServer)
}

func start(tb testing.TB, o emulator.Options, listen func(http.Handler) *httptest.Server) *Server {
	tb.Helper()
	if o.Accounts == nil {
		o.Accounts = []emulator.Account{Alice(), Bob()}
	}
	s, err := emulator.New(o)
	if err != nil {
		tb.Fatal(err)
	}
	h := listen(s)
	tb.Cleanup(func() {
		if err := s.Close(); err != nil { // first: it releases stalled requests
			tb.Errorf("closing the emulator: %v", err)
		}
		h.CloseClientConnections()
		h.Close()
	})
	return &Server{Server: s, HTTP: h, URL: h.URL}
}
