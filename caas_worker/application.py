"""What the product needs of the application's database: tables and columns, and indexes that its reads follow."""

COLUMNS: dict[str, tuple[str, ...]] = {
    "profiles": (
        "id", "roles", "identity_verified", "dbs_verified", "dbs_expiry_date", "available_free_help", "bio",
        "bio_video_url", "avatar_url", "business_verified", "status",
    ),
    "role_details": ("profile_id", "role_type", "degree_level", "qualifications", "teaching_experience"),
    "listings": ("id", "profile_id"),
    "bookings": (
        "id", "listing_id", "client_id", "type", "status", "scheduled_start", "scheduled_end", "actual_start",
        "actual_end", "cancelled_by", "no_show_by", "payment_status", "recording_url", "session_number", "tech_issue",
        "engagement_score", "learning_objectives_met",
    ),
    "profile_reviews": ("id", "reviewer_id", "reviewee_id", "booking_id", "rating"),
    "profile_graph": (
        "id", "source_profile_id", "target_profile_id", "relationship_type", "status", "created_at",
    ),
    "student_integration_links": ("id", "profile_id", "integration_type", "is_active"),
    "platform_events": ("id", "profile_id", "event_type", "occurred_at", "metadata"),
    "reschedules": (
        "id", "booking_id", "initiator", "original_time", "new_time", "reason", "reason_code", "cancelled_at",
    ),
    "session_transcripts": ("booking_id", "turns"),
}  # fmt: skip
"""Tables and columns that triggers and statistics read (marketplace)."""

INDEXES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("listings", ("profile_id",)),
    ("bookings", ("listing_id", "scheduled_start")),
    ("bookings", ("client_id", "listing_id")),
    ("reschedules", ("booking_id",)),
    ("session_transcripts", ("booking_id",)),
    ("profile_reviews", ("reviewee_id", "reviewer_id")),
    ("profile_reviews", ("booking_id",)),
    ("profile_graph", ("source_profile_id",)),
    ("profile_graph", ("target_profile_id",)),
    ("student_integration_links", ("profile_id",)),
    ("platform_events", ("profile_id", "occurred_at")),
)
"""Table and first columns of the indexes without which statistics read whole tables, or all of a profile's rows."""

_SESSION = (
    "id", "listing_id", "client_id", "type", "status", "scheduled_start", "scheduled_end", "actual_start", "actual_end",
    "no_show_by", "recording_url", "session_number", "tech_issue", "engagement_score", "learning_objectives_met",
)  # fmt: skip

WRITES: dict[str, dict[str, tuple[str, ...]]] = {
    "profiles": {"select": ("id",)},
    "listings": {"select": ("id", "profile_id")},
    "bookings": {
        "select": (
            "id", "status", "actual_start", "actual_end", "engagement_score", "learning_objectives_met", "tech_issue",
            "recording_url",
        ),
        "insert": _SESSION,
        "update": (
            "status", "actual_start", "actual_end", "engagement_score", "learning_objectives_met", "tech_issue",
            "recording_url", "updated_at",
        ),
    },
    "reschedules": {
        "insert": ("booking_id", "initiator", "original_time", "new_time", "reason", "reason_code", "cancelled_at"),
    },
}  # fmt: skip
"""Columns by table and privilege that POST /api/sessions needs, to write sessions on the application's behalf."""
