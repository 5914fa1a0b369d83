from django.urls import path

from bazaar_testing.mock.market import views

urlpatterns = [
    path("clock", views.hands),
    path("settle", views.settle),
    path("products", views.products),
    path("deposits", views.deposits),
    path("offers", views.offers),
    path("bids", views.bids),
    path("nodes/<row_id:node_id>", views.node),
    path("commands", views.commands),
    path("halt", views.halt),
    path("audit", views.audit),
]
