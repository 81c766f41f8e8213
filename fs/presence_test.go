package fs

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"
)

func TestPresenceIsHeldByOne(t *testing.T) {
	mountpoint := t.TempDir()
	never := func(int) { t.Error("waits") }
	first, err := Announce(t.Context(), mountpoint, never)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Announce(t.Context(), mountpoint, never); err == nil {
		t.Error("two processes serve one mount point")
	}
	d, err := FindDaemon(mountpoint)
	if err != nil || d.PID != os.Getpid() || d.Socket() != first.Socket() || d.Device != "" {
		t.Errorf("found %+v, %v", d, err)
	}
	if d, found := DaemonOf(os.Getpid()); !found || d.PID != os.Getpid() {
		t.Errorf("by its number: %+v, %v", d, found)
	}
	first.End()
	if _, err := FindDaemon(mountpoint); err == nil {
		t.Error("found after its end")
	}
}

func TestSuccessorWaitsForADrainingPredecessor(t *testing.T) {
	mountpoint := t.TempDir()
	first, err := Announce(t.Context(), mountpoint, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Drain(); err != nil {
		t.Fatal(err)
	}
	impatient, cancel := context.WithTimeout(t.Context(), 2*exitPoll)
	defer cancel()
	if _, err := Announce(impatient, mountpoint, func(int) {}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	waits := make(chan int, 1)
	go func() {
		<-waits
		first.End()
	}()
	second, err := Announce(t.Context(), mountpoint, func(pid int) { waits <- pid })
	if err != nil {
		t.Fatal(err)
	}
	defer second.End()
	gone, cancel := context.WithTimeout(t.Context(), 2*time.Millisecond)
	defer cancel()
	if d, err := FindDaemon(mountpoint); err != nil || d.AwaitExit(gone) == nil {
		t.Errorf("the successor is not there: %v", err)
	}
}
