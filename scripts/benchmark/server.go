package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"time"

	"ncloudfs/remote"
	"ncloudfs/remote/emulator"
)

const (
	roleServer = "server" // the service, in a process of its own

	bucket    = "bench"
	region    = "kr-standard"
	accessKey = "AKBENCH"
	secretKey = "SKBENCH"

	// settled is how long no request may come until they are counted.
	settled = 300 * time.Millisecond
	// settling is how long that is waited for.
	settling = 20 * time.Second
)

// service is how the emulator behaves.
type service struct {
	Latency   time.Duration `json:"latency"`
	Bandwidth int64         `json:"bandwidth"` // bytes/s of one connection
	Ready     int64         `json:"ready"`     // bytes of memory that is there before the workload begins
}

// addresses is what the server's process says about itself.
type addresses struct{ Endpoint, Control string }

// serve reads the service's settings, says where it listens and ends with
// stdin.
func serve(stdin io.Reader, stdout io.Writer) error {
	settings := json.NewDecoder(stdin)
	var o service
	if err := settings.Decode(&o); err != nil {
		return err
	}
	s, err := emulator.New(emulator.Options{Latency: o.Latency, Bandwidth: o.Bandwidth, ReadyMemory: o.Ready,
		Accounts: []emulator.Account{{ID: "bench", AccessKey: accessKey, SecretKey: secretKey}}})
	if err != nil {
		return err
	}
	var at addresses
	for _, h := range []struct {
		handler http.Handler
		address *string
	}{{s, &at.Endpoint}, {s.Control(), &at.Control}} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		*h.address = "http://" + l.Addr().String()
		server := &http.Server{Handler: h.handler, ReadHeaderTimeout: 10 * time.Second}
		go func() { _ = server.Serve(l) }() // ends with the process
	}
	if err := json.NewEncoder(stdout).Encode(at); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, stdin)
	return err
}

// server is the process of a service that has an empty bucket.
type server struct {
	addresses
	*child
	client *remote.Client
}

func startServer(ctx context.Context, o service) (*server, error) {
	c, err := startChild(ctx, childOptions{args: []string{self, roleServer}, pipes: true})
	if err != nil {
		return nil, err
	}
	s := &server{child: c}
	err = json.NewEncoder(c.stdin).Encode(o)
	if err == nil {
		err = json.NewDecoder(c.stdout).Decode(&s.addresses)
	}
	if err == nil {
		s.client, err = newClient(s.Endpoint)
	}
	if err == nil {
		err = s.client.MakeBucket(ctx, bucket, "")
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the service: %w", err), c.stop())
	}
	return s, nil
}

func newClient(endpoint string) (*remote.Client, error) {
	return remote.New(remote.Options{Endpoint: endpoint, Region: region, RetryTime: 10 * time.Second,
		Credentials: remote.Credentials{AccessKey: accessKey, SecretKey: secretKey}})
}

// generate puts objects into the bucket.
func (s *server) generate(ctx context.Context, objects []object) error {
	var body bytes.Buffer
	e := json.NewEncoder(&body)
	for _, o := range objects {
		if err := e.Encode(emulator.Generated{Bucket: bucket, Key: o.key, Size: o.size, Seed: o.seed()}); err != nil {
			return err
		}
	}
	return s.ask(ctx, http.MethodPost, "/objects", &body, nil)
}

// usage is what a service got and sent.
type usage struct {
	Counts  map[string]int
	Traffic emulator.Traffic
}

// used returns what was counted since the last reset, once no request comes
// any more.
func (s *server) used(ctx context.Context) (usage, error) {
	end := time.Now().Add(settling)
	for last := (usage{}); ; {
		var now usage
		if err := s.ask(ctx, http.MethodGet, "/counts", nil, &now); err != nil {
			return now, err
		}
		if last.Counts != nil && maps.Equal(last.Counts, now.Counts) && last.Traffic == now.Traffic || time.Now().After(end) {
			return now, nil
		}
		last = now
		if err := pause(ctx, settled); err != nil {
			return now, err
		}
	}
}

func (s *server) reset(ctx context.Context) error {
	if _, err := s.used(ctx); err != nil {
		return err
	}
	return s.ask(ctx, http.MethodPost, "/reset", nil, nil)
}

// ask sends a request to the control handler; answer may be nil.
func (s *server) ask(ctx context.Context, method, path string, body io.Reader, answer any) error {
	req, err := http.NewRequestWithContext(ctx, method, s.Control+path, body)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1000)) // the status says enough
		return fmt.Errorf("%s %s: %s %s", method, path, resp.Status, text)
	}
	if answer == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(answer)
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
