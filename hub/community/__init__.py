"""Likes, discussions, collections, webhooks and notifications."""
