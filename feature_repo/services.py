"""What each model reads, at training and at serving."""

from feast import FeatureService

from plane_views import plane_delays, plane_live, plane_profile
from route_views import route_delays

departure_delay_model = FeatureService(
    name="departure_delay_model",
    features=[plane_delays, plane_profile],
    description="Predicts, the evening before, how late a plane will leave",
    owner="delay-models@example.com",
    tags={"tier": "1"},
)

route_planner_model = FeatureService(
    name="route_planner_model",
    features=[route_delays],
    description="Ranks routes by how reliable they have been",
    owner="route-planning@example.com",
    tags={"tier": "2"},
)

live_delay_model = FeatureService(
    name="live_delay_model",
    features=[plane_live],
    description="Predicts, minutes before, how late a plane will leave",
    owner="delay-models@example.com",
    tags={"tier": "1"},
)
