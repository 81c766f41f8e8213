package config

import (
	"context"
	"errors"
	"fmt"

	"ncloudfs/fs/control"
	"ncloudfs/remote"
)

func (a *App) runPending(ctx context.Context, p *parsed) error {
	o := p.pending
	o.JSON, o.Names, o.Out, o.Err = p.json, p.args, a.Stdout, a.Stderr
	o.Keys = func() (remote.Options, error) { return p.store.WithKeys(ctx) }
	if firstValue("stage-dir", p.typed) == "" && firstValue("cache-dir", p.typed) == "" && len(p.args) > 0 {
		o.Mountpoint, o.Names = p.args[0], p.args[1:]
	} else {
		state, err := stateDir(a.LookupEnv)
		if err != nil && p.cache.StageDir == "" && p.cache.CacheDir == "" {
			return err
		}
		o.StageDir = p.stageDir(state)
	}
	if err := checkPending(&o); err != nil {
		return err
	}
	return a.Pending(ctx, o)
}

// checkPending refuses what is not one clear wish.
func checkPending(o *control.PendingOptions) error {
	wishes := 0
	for _, wished := range []bool{o.Retry, o.Discard, o.Export != ""} {
		if wished {
			wishes++
		}
	}
	switch {
	case wishes > 1:
		return errors.New("--retry, --discard and --export exclude each other")
	case o.All && len(o.Names) > 0:
		return fmt.Errorf("--all contradicts %q: keep one", o.Names[0])
	case wishes == 0 && (o.All || len(o.Names) > 0):
		return errors.New("say what to do with it: --retry, --discard or --export FILE")
	case o.Export != "" && len(o.Names) != 1:
		return errors.New("--export makes one file: name one PATH or ID")
	case wishes == 1 && !o.All && len(o.Names) == 0:
		return errors.New("name what to act on, each PATH or ID, or give --all")
	}
	return nil
}
