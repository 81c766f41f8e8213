package cache

import (
	"errors"
	"testing"

	"ncloudfs/remote"
	"ncloudfs/remote/emulator"
)

func TestCopyOfAWholeObjectIsOneRequest(t *testing.T) {
	for _, writeBack := range []bool{false, true} {
		m := mount(t, Options{WriteBack: writeBack})
		want := random("from", 100_000)
		from := m.put("from", want, remote.PutOptions{ContentType: "text/css", Meta: remote.Meta{"mode": "33188"}})
		s := m.overwrite("to")
		s.SetAttr(setMode(0o100600))
		m.server.ResetCounts()
		if err := s.CopyFrom(t.Context(), from); err != nil {
			t.Fatal(err)
		}
		m.checkRequests("the copy", counts{emulator.OpCopyObject: 1})
		if err := s.Save(t.Context()); err != nil {
			t.Fatal(err)
		}
		m.checkRequests("the close", counts{})
		m.checkStaged(s, want)
		m.checkObject("to", want)
		if o := m.head("to"); o.ContentType == "text/css" || o.Meta["mode"] != "33152" {
			t.Errorf("the copy has the type %q and the mode %q", o.ContentType, o.Meta["mode"])
		}
		if err := m.Remove(t.Context(), "from", false); err != nil {
			t.Fatal(err)
		}
		m.write(s, []byte("edited"), 50_000)
		copy(want[50_000:], "edited")
		m.commit(s)
		m.checkObject("to", want)
		s.Release()
		m.sync()
		m.checkObject("from", nil)
		m.checkStageEmpty()
	}
}

// TestCopyThatCannotBeMadeLeavesTheFileEmpty, for the bytes.
func TestCopyThatCannotBeMadeLeavesTheFileEmpty(t *testing.T) {
	for name, effect := range map[string]emulator.Fault{
		"refused": {Effect: emulator.Refuse, Code: "AccessDenied"}, "another version": {}, "done, and told otherwise": {Effect: emulator.Lose, Count: 1},
	} {
		t.Run(name, func(t *testing.T) {
			m := mount(t, Options{})
			from := m.put("from", random("from", 1000))
			heal := func() {}
			if effect.Operation = emulator.OpCopyObject; name == "another version" {
				m.put("from", random("newer", 1000))
			} else {
				heal = m.server.Faults().Add(effect)
			}
			s := m.overwrite("to")
			if err := s.CopyFrom(t.Context(), from); err == nil && name != "done, and told otherwise" {
				t.Error("no error")
			} else if err != nil {
				m.checkStaged(s, nil)
			}
			heal()
			m.write(s, []byte("its own"), 0)
			m.commit(s)
			want := []byte("its own")
			if m.head("to").Size == 1000 { // the answer of the second try came
				want = append(want, random("from", 1000)[7:]...)
			}
			m.checkObject("to", want)
			if err := s.CopyFrom(t.Context(), from); !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("to a file that has bytes: %v, want ErrUnsupported", err)
			}
			s.Release()
			m.checkStageEmpty()
		})
	}
}

// TestCopyIsTakenUpAfterACrash that came before the request, or its answer.
func TestCopyIsTakenUpAfterACrash(t *testing.T) {
	for name, isDone := range map[string]bool{"before": false, "after": true} {
		t.Run(name, func(t *testing.T) {
			m := mount(t, Options{})
			want := random("from", 100_000)
			from := m.put("from", want)
			s := m.overwrite("to")
			defer s.Release()
			snap, ok := s.beginCopy(s.nameNow(), from)
			if !ok {
				t.Fatal("refused")
			}
			if isDone {
				snap.ctx, snap.name = t.Context(), "to"
				if _, err := m.copyInto(t.Context(), snap); err != nil {
					t.Fatal(err)
				}
			}
			m.crash()
			eventually(t, "nothing is staged", func() bool { return len(m.stage.Under("")) == 0 })
			m.checkObject("to", want)
			m.checkObject("from", want)
		})
	}
}
