package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"ncloudfs/remote/emulator"
)

// roleStep is one step of a workload, in a process of its own: it hangs when
// the mount does, and can be killed.
const roleStep = "step"

// A step may take this long, what comes before the measured one as well.
const stepTime = 60 * time.Second

// order is what a step's process is to do.
type order struct {
	Workload string `json:"workload"`
	IsWarm   bool   `json:"isWarm"`   // the step before the measured one
	Endpoint string `json:"endpoint"` // for the client alone; empty: through the mount
	Place    place  `json:"place"`
}

// report is what it says at its end.
type report struct {
	Seconds float64 `json:"seconds"`
	Spent   spent   `json:"spent"` // by the step's own process
}

func step(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	var o order
	if err := json.NewDecoder(stdin).Decode(&o); err != nil {
		return err
	}
	w, err := workloadOf(o.Workload)
	if err != nil {
		return err
	}
	run := func() error { return w.run(o.Place) }
	switch {
	case o.Endpoint != "":
		c, err := newClient(o.Endpoint)
		if err != nil {
			return err
		}
		run = func() error { return w.alone(ctx, c, o.Place.Sizes) }
	case o.IsWarm:
		run = func() error { return w.warm(o.Place) }
	}
	o.Place.pattern = emulator.NewPattern()
	began := time.Now()
	if err := run(); err != nil {
		return err
	}
	r := report{Seconds: time.Since(began).Seconds()}
	if r.Spent, err = spentBy(os.Getpid()); err != nil {
		return err
	}
	return json.NewEncoder(stdout).Encode(r)
}

// do has a process of its own do o.
func do(ctx context.Context, o order) (report, error) {
	var r report
	c, err := startChild(ctx, childOptions{args: []string{self, roleStep}, pipes: true, dir: "/"})
	if err != nil {
		return r, err
	}
	err = json.NewEncoder(c.stdin).Encode(o)
	if ended := c.wait(stepTime); ended != nil {
		return r, ended // it says more than a broken pipe
	}
	if err == nil {
		err = json.NewDecoder(c.stdout).Decode(&r)
	}
	return r, err
}

// sh runs a script in the directory, with $0 the scratch directory.
func (p place) sh(script string) error {
	_, err := p.output(script)
	return err
}

func (p place) output(script string) (string, error) {
	cmd := exec.Command("bash", "-o", "pipefail", "-c", script, p.Scratch)
	cmd.Dir = p.Dir
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%w: %s", err, lastLines(complaints.String()))
	}
	return strings.TrimSpace(out.String()), nil
}

// count runs a script that prints a number, which must be want.
func (p place) count(script string, want int) error {
	out, err := p.output(script)
	if err != nil {
		return err
	}
	if n, err := strconv.Atoi(out); err != nil || n != want {
		return fmt.Errorf("%s says %s, not %d", script, out, want)
	}
	return nil
}

// check compares what was read of an object from off on.
func (p place) check(o object, got []byte, off int64) error {
	want := make([]byte, len(got))
	if _, err := p.pattern.Content(o.size, o.seed()).ReadAt(want, off); err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("%s has other bytes at %d", o.key, off)
	}
	return nil
}
