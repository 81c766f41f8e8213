package config

import "fmt"

// given is one value as it was found.
type given struct {
	value string
	where string // how the user spelled it: "--memory", "-o memory", ...
}

// values are the options of one place, by name.
type values map[string]given

// add records a value and refuses a second, different one of the same option.
func (vs values) add(o *option, value, where string) error {
	if value == "" {
		return fmt.Errorf("%s needs a value", where)
	}
	if o.isSwitch() {
		b, err := parseSwitch(value)
		if err != nil {
			return fmt.Errorf("%s=%s: %w", where, value, err)
		}
		value = fmt.Sprint(b)
	}
	if old, ok := vs[o.name]; ok && old.value != value {
		if old.where == where {
			return fmt.Errorf("%s is given twice, as %s and as %s: keep one", where, o.quote(old.value), o.quote(value))
		}
		return fmt.Errorf("%s %s contradicts %s %s: keep one", where, o.quote(value), old.where, o.quote(old.value))
	}
	vs[o.name] = given{value, where}
	return nil
}

// environment reads the options' variables.
func environment(os options, lookup func(string) (string, bool)) (values, error) {
	vs := values{}
	for _, o := range os {
		if o.once {
			continue
		}
		if v, ok := lookup(o.envName()); ok && v != "" {
			if err := vs.add(o, v, o.envName()); err != nil {
				return nil, err
			}
		}
	}
	return vs, nil
}

// apply sets every option from the first place that has it, else from its
// default.
func (s *settings) apply(os options, places ...values) error {
	for _, o := range os {
		g := given{value: o.def}
		for _, place := range places {
			if found, ok := place[o.name]; ok {
				g = found
				break
			}
		}
		if g == (given{}) {
			continue // no default, or a computed one
		}
		if err := o.set(s, g.value); err != nil {
			return fmt.Errorf("%s %s: %w", g.where, o.quote(g.value), err)
		}
	}
	return nil
}
