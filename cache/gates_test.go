package cache

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

func TestClaimsOfOneKeyAreGrantedInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gates
		release, err := g.claim(t.Context(), "a/b")
		if err != nil {
			t.Fatal(err)
		}
		var order []string
		wait := func(label string, keys ...string) {
			go func() {
				free, err := g.claim(t.Context(), keys...)
				if err != nil {
					t.Error(err)
					return
				}
				order = append(order, label)
				free()
			}()
			synctest.Wait()
		}
		wait("directory", "a/")
		wait("below it", "a/c") // behind the directory's claim, though a/c is free
		wait("elsewhere", "b")
		release()
		synctest.Wait()
		if got, want := len(order), 3; got != want || order[0] != "elsewhere" || order[1] != "directory" {
			t.Fatalf("order %v, want elsewhere, directory, below it", order)
		}
	})
}

func TestClaimEndsWithItsContext(t *testing.T) {
	var g gates
	release, err := g.claim(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.claim(ctx, "k"); !errors.Is(err, context.Canceled) {
		t.Fatalf("claim of a held key: %v, want context.Canceled", err)
	}
	release()
	if len(g.claims) != 0 {
		t.Fatalf("%d claims left", len(g.claims))
	}
}
