"""Who may ask how we are: whoever stands beside us, and not who comes through a proxy."""

import json
from ipaddress import IPv6Address, ip_address

from django.http import HttpRequest, HttpResponse, JsonResponse

# What a proxy adds to requests that it passes on. Probes come by themselves.
OF_PROXIES = ("HTTP_X_REAL_IP", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_FORWARDED")


def is_passed_on(request: HttpRequest) -> bool:
    """Whether a proxy says that it speaks for somebody else."""
    return any(name in request.META for name in OF_PROXIES)


def is_beside_us(request: HttpRequest) -> bool:
    """Whether who asks is on this machine or in a network of its own."""
    try:
        address = ip_address(request.META.get("REMOTE_ADDR", "").partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return not address.is_global


def without_details(answer: HttpResponse) -> HttpResponse:
    """For a load balancer with a public address: the code, and in a word the same."""
    short = JsonResponse(
        {"status": json.loads(answer.content)["status"]}, status=answer.status_code
    )
    short["Cache-Control"] = answer["Cache-Control"]
    return short
