package main

import (
	"context"
	"encoding/json"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
)

type matchCase struct {
	// Regions that are allowed.
	Regions []string   `json:"regions"`
	Pod     v1.PodSpec `json:"pod"`
}

type node struct {
	Name   string            `json:"name"`
	Labels map[string]string `json:"labels"`
}

type matchResult struct {
	// Outside is a node that the pod may run on although its region is not allowed, or it has none.
	Outside *node `json:"outside,omitempty"`
	// Inside says whether the pod may run on any node of an allowed region.
	Inside bool `json:"inside"`
	// Tried is the number of nodes that the matcher was asked about.
	Tried int `json:"tried"`
}

func matchAll(_ context.Context, raw json.RawMessage) (any, error) {
	var cases []matchCase
	if err := json.Unmarshal(raw, &cases); err != nil {
		return nil, err
	}
	results := make([]matchResult, len(cases))
	for index := range cases {
		results[index] = match(&cases[index])
	}
	return results, nil
}

// match asks Kubernetes' matcher about every model node, outside and inside of the allowed regions, until one matches.
func match(asked *matchCase) matchResult {
	affinity := nodeaffinity.GetRequiredNodeAffinity(&v1.Pod{Spec: asked.Pod})
	model := modelOf(&asked.Pod, asked.Regions)
	result := matchResult{}
	find := func(regions []value) *node {
		var found *node
		model.each(regions, func(name string, labels map[string]string) bool {
			result.Tried++
			// The error says that a term cannot be parsed and no other matched: as for the scheduler, no match.
			if matches, _ := affinity.Match(&v1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}); !matches {
				return true
			}
			found = copyOf(name, labels)
			return false
		})
		return found
	}
	result.Outside = find(model.outside)
	result.Inside = find(model.inside) != nil
	return result
}

func copyOf(name string, labels map[string]string) *node {
	copied := make(map[string]string, len(labels))
	for key, value := range labels {
		copied[key] = value
	}
	return &node{Name: name, Labels: copied}
}
