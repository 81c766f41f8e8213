package test

import (
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// ok ends the test when something that must work did not.
func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// equal compares contents, of which it shows the beginnings.
func equal(t testing.TB, what, got, want string) {
	t.Helper()
	if got == want {
		return
	}
	at := 0
	for at < len(got) && at < len(want) && got[at] == want[at] {
		at++
	}
	t.Errorf("%s: got %d bytes, want %d; from byte %d on got %.40q, want %.40q", what, len(got), len(want), at, got[at:], want[at:])
}

// fails checks the errno of something that must not work.
func fails(t testing.TB, what string, err error, want unix.Errno) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: got %v, want %v", what, err, want)
	}
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	if !await(30*time.Second, condition) {
		t.Errorf("does not come true: %s", what)
	}
}
