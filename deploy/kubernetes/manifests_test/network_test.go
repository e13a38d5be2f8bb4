package manifests_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func quantity(t *testing.T, text string) int64 {
	t.Helper()
	q, err := resource.ParseQuantity(text)
	if err != nil {
		t.Fatal(err)
	}
	return q.Value()
}

// The service has the API and nothing else.
func TestService(t *testing.T) {
	t.Parallel()
	eachInstallation(t, func(t *testing.T, m manifests) {
		ports := m.service.Spec.Ports
		if len(ports) != 1 || ports[0].Port != 80 || ports[0].TargetPort.String() != "http" {
			t.Errorf("ports %v; want 80, to http", ports)
		}
	})
}

// The API is open to all, metrics to Prometheus alone, and pods reach Redis and
// name servers.
func TestNetworkPolicy(t *testing.T) {
	t.Parallel()
	eachInstallation(t, func(t *testing.T, m manifests) {
		spec := m.policy.Spec
		for _, kind := range []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress} {
			if !slices.Contains(spec.PolicyTypes, kind) {
				t.Errorf("%s is not restricted", kind)
			}
		}
		open := map[string]bool{}
		for _, rule := range spec.Ingress {
			if len(rule.Ports) == 0 {
				t.Error("a rule opens every port")
			}
			for _, port := range rule.Ports {
				m.checkPort(t, port.Port)
				open[port.Port.String()] = len(rule.From) == 0
			}
		}
		if len(open) != 2 || !open["http"] || open["admin"] {
			t.Errorf("open to all: %v; want http, and admin not", open)
		}

		reached := map[string]bool{}
		for _, rule := range spec.Egress {
			for _, port := range rule.Ports {
				reached[string(*port.Protocol)+" "+port.Port.String()] = true
			}
		}
		wanted := []string{"UDP 53", "TCP 53", "TCP 6379"}
		for address := range strings.FieldsSeq(strings.Trim(m.settings(t)["redis.addresses"], "[]")) {
			wanted = append(wanted, "TCP "+address[strings.LastIndexByte(address, ':')+1:])
		}
		for _, want := range wanted {
			if !reached[want] {
				t.Errorf("%s can't be reached", want)
			}
		}
	})
}

// checkPort checks that a name is a container's port.
func (m manifests) checkPort(t *testing.T, port *intstr.IntOrString) {
	t.Helper()
	known := slices.ContainsFunc(m.container(t).Ports, func(p corev1.ContainerPort) bool { return p.Name == port.String() })
	if !known {
		t.Errorf("port %v is none of the container's", port)
	}
}

// Annotations for Prometheus name the admin port.
func TestScrapeAnnotations(t *testing.T) {
	t.Parallel()
	eachInstallation(t, func(t *testing.T, m manifests) {
		got := m.deployment.Spec.Template.Annotations["prometheus.io/port"]
		for _, port := range m.container(t).Ports {
			if port.Name == "admin" && strconv.Itoa(int(port.ContainerPort)) != got {
				t.Errorf("prometheus.io/port: %s, the admin port is %d", got, port.ContainerPort)
			}
		}
	})
}
