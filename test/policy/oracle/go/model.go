package main

import (
	"slices"
	"strconv"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

const (
	// What no generated pod names.
	unseenValue = "value-that-no-pod-names"
	unseenName  = "node-that-no-pod-names"
	// A region that is a number, for Gt and Lt.
	numericRegion = "5"
)

// value is what a node may have under a label key; nil is: not that label.
type value = *string

// model is the finite set of nodes that stands for every node there may be, as far as one pod can tell nodes apart:
// each region × each value of every other label key that the pod speaks of × each node name that it speaks of.
type model struct {
	inside, outside []value
	keys            []string
	values          [][]value
	names           []string
}

func modelOf(spec *v1.PodSpec, allowed []string) *model {
	spoken := spokenOf(spec)
	m := &model{names: []string{unseenName}}
	regions := slices.Concat(spoken.valuesOf(v1.LabelTopologyRegion), allowed, []string{numericRegion, unseenValue})
	m.outside = append(m.outside, nil)
	for _, region := range labelValues(regions) {
		if slices.Contains(allowed, *region) {
			m.inside = append(m.inside, region)
		} else {
			m.outside = append(m.outside, region)
		}
	}
	for _, key := range spoken.keys {
		if key == v1.LabelTopologyRegion {
			continue
		}
		m.keys = append(m.keys, key)
		m.values = append(m.values, append(labelValues(append(spoken.valuesOf(key), unseenValue)), nil))
	}
	for _, name := range spoken.names {
		if !slices.Contains(m.names, name) {
			m.names = append(m.names, name)
		}
	}
	return m
}

// each calls visit with every node in one of the regions until it answers false. The labels are only lent.
func (m *model) each(regions []value, visit func(name string, labels map[string]string) bool) {
	labels := map[string]string{}
	var fill func(position int) bool
	fill = func(position int) bool {
		if position == len(m.keys) {
			return every(m.names, func(name string) bool { return visit(name, labels) })
		}
		return every(m.values[position], func(v value) bool {
			set(labels, m.keys[position], v)
			return fill(position + 1)
		})
	}
	every(regions, func(region value) bool {
		set(labels, v1.LabelTopologyRegion, region)
		return fill(0)
	})
}

func every[T any](items []T, holds func(T) bool) bool {
	for _, item := range items {
		if !holds(item) {
			return false
		}
	}
	return true
}

func set(labels map[string]string, key string, v value) {
	if v == nil {
		delete(labels, key)
	} else {
		labels[key] = *v
	}
}

// labelValues are those that the API server accepts on a node, each once.
func labelValues(texts []string) []value {
	values := make([]value, 0, len(texts))
	for index, text := range texts {
		if !slices.Contains(texts[:index], text) && len(validation.IsValidLabelValue(text)) == 0 {
			values = append(values, &texts[index])
		}
	}
	return values
}

// spoken is what a pod says of labels and names, in the order in which it says it.
type spoken struct {
	keys  []string
	byKey map[string][]string
	// Keys that Gt or Lt speak of.
	ordered map[string]bool
	names   []string
}

func spokenOf(spec *v1.PodSpec) *spoken {
	s := &spoken{byKey: map[string][]string{}, ordered: map[string]bool{}}
	for key, value := range spec.NodeSelector {
		s.add(key, value)
	}
	// The order of a map is random, the first node that matches should not be.
	slices.Sort(s.keys)
	if spec.Affinity == nil || spec.Affinity.NodeAffinity == nil {
		return s
	}
	required := spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution
	if required == nil {
		return s
	}
	for _, term := range required.NodeSelectorTerms {
		for _, expression := range term.MatchExpressions {
			s.add(expression.Key, expression.Values...)
			if expression.Operator == v1.NodeSelectorOpGt || expression.Operator == v1.NodeSelectorOpLt {
				s.ordered[expression.Key] = true
			}
		}
		for _, field := range term.MatchFields {
			s.names = append(s.names, field.Values...)
		}
	}
	return s
}

// valuesOf are the values of a key that can make a difference.
func (s *spoken) valuesOf(key string) []string {
	if s.ordered[key] {
		return neighbours(s.byKey[key])
	}
	return s.byKey[key]
}

func (s *spoken) add(key string, values ...string) {
	if _, known := s.byKey[key]; !known {
		s.keys = append(s.keys, key)
	}
	s.byKey[key] = append(s.byKey[key], values...)
}

// neighbours adds, where Gt or Lt speak of a key, the numbers just below and above each number named: an interval less a
// few numbers that holds any number at all holds one of these.
func neighbours(texts []string) []string {
	values := slices.Clone(texts)
	for _, text := range texts {
		if number, err := strconv.ParseInt(text, 10, 64); err == nil {
			values = append(values, strconv.FormatInt(number-1, 10), strconv.FormatInt(number+1, 10))
		}
	}
	return values
}
