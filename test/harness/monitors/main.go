// Decodes objects of the Prometheus Operator into its own types and says what does not fit.
//
// Standard input: a List of ServiceMonitors, PodMonitors and PrometheusRules in JSON. Standard output: a line for each
// object that has a field which its type does not have, or a value of another type.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
)

type list struct {
	Items []json.RawMessage `json:"items"`
}

type head struct {
	Kind string `json:"kind"`
}

func typeOf(kind string) (any, error) {
	switch kind {
	case monitoring.ServiceMonitorsKind:
		return &monitoring.ServiceMonitor{}, nil
	case monitoring.PodMonitorsKind:
		return &monitoring.PodMonitor{}, nil
	case monitoring.PrometheusRuleKind:
		return &monitoring.PrometheusRule{}, nil
	}
	return nil, fmt.Errorf("the operator has no kind %s here", kind)
}

func check(object json.RawMessage) error {
	var found head
	if err := json.Unmarshal(object, &found); err != nil {
		return err
	}
	target, err := typeOf(found.Kind)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(object))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(target); err != nil {
		return fmt.Errorf("%s: %w", found.Kind, err)
	}
	return nil
}

func main() {
	var objects list
	if err := json.NewDecoder(os.Stdin).Decode(&objects); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for _, object := range objects.Items {
		if err := check(object); err != nil {
			fmt.Println(err)
		}
	}
}
